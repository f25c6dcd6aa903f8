package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"cardea/store"
)

// Act is something that the owners may want to be done by two of them only.
type Act string

// The acts that can be put under approval.
const (
	ActEvidenceExport Act = "evidence.export"
	ActLogPurge       Act = "log.purge"
	ActVaultOpen      Act = "vault.open"
	ActUserRemove     Act = "user.remove"
)

// Acts that need an approval as soon as any of those above does, because they would be the way around it.
const (
	ActOwner Act = "owner.add"     // another owner could approve whatever the first one wants
	ActRules Act = "rules.approve" // fewer acts under approval
)

var acts = []Act{ActEvidenceExport, ActLogPurge, ActVaultOpen, ActUserRemove}

// approvalValid is how long a request stands.
const approvalValid = 24 * time.Hour

// approvalsShown is how far back requests are listed and kept.
const approvalsShown = 30 * 24 * time.Hour

// NeedsApproval is the error of an act that waits for a second owner.
type NeedsApproval struct {
	// Request is the one that another owner has to answer before Expires.
	Request store.ID
	Expires time.Time
}

// Error is a sentence for people.
func (e *NeedsApproval) Error() string {
	return "A second owner has to approve this first. The request was made and is open until " + e.Expires.UTC().Format("2006-01-02 15:04 MST") + "; repeat what you did when it is approved."
}

// Approved does an act. Where the owners put it under approval, it uses up one that another owner gave to actor for this act on this
// object, with both names in the access log, or makes a request and returns *NeedsApproval without doing anything. An act that fails gives its
// approval back; a process that dies in the middle does not, for the act may have been done. object says what exactly is acted on and
// is compared letter by letter (an id, or several in order); about says the same to people, as in "remove the account Bob". The console
// needs no approval.
func (p *People) Approved(ctx context.Context, actor store.Actor, act Act, object, about string, do func() error) error {
	used, err := p.approve(ctx, actor, act, object, about)
	if err != nil {
		return err
	}
	err = do()
	if err == nil || used == (store.ID{}) {
		return err
	}
	if err := p.cfg.DB.ReturnApproval(context.WithoutCancel(ctx), used); err != nil {
		p.cfg.Log.ErrorContext(ctx, "the approval of an act that failed stays used", "error", err)
	}
	return err
}

// approve says which approval was used up, the zero value where none is needed.
func (p *People) approve(ctx context.Context, actor store.Actor, act Act, object, about string) (none store.ID, err error) {
	if actor.Role == console().Role {
		return none, nil
	}
	rules, err := p.Rules(ctx)
	if err != nil {
		return none, err
	}
	if !slices.Contains(rules.Approvals, act) && (len(rules.Approvals) == 0 || act != ActOwner && act != ActRules) {
		return none, nil
	}
	want := store.Approval{Act: string(act), Object: object, About: about, User: actor.User, Expires: p.cfg.Now().Add(approvalValid)}
	found, used, err := p.cfg.DB.UseApproval(ctx, want)
	if err != nil {
		return none, fmt.Errorf("look for an approval: %w", err)
	}
	record := store.Access{Action: "approval.use", Actor: actor, Object: about, Detail: "approved by " + found.Decider}
	if !used {
		record = store.Access{Action: "approval.ask", Actor: actor, Object: about, Detail: string(act)}
	}
	if err := p.note(ctx, record); err != nil {
		if used {
			err = errors.Join(err, p.cfg.DB.ReturnApproval(context.WithoutCancel(ctx), found.ID))
		}
		return none, err
	}
	if !used {
		if found.Expires.Equal(want.Expires) { // asked for the first time
			p.alert(ctx, actor.Name+" asks for the approval of another owner to "+about+".")
		}
		return none, &NeedsApproval{Request: found.ID, Expires: found.Expires}
	}
	return found.ID, nil
}

// Approval is a request, and what became of it.
type Approval struct {
	ID      store.ID
	Act     Act
	About   string
	By      string
	ByID    store.ID
	Created time.Time
	Expires time.Time
	// State is pending, approved, refused, used or expired.
	State     string
	DecidedBy string
}

// Approvals lists the requests of the last 30 days, the latest first.
func (p *People) Approvals(ctx context.Context) ([]Approval, error) {
	rows, err := p.cfg.DB.Approvals(ctx, p.cfg.Now().Add(-approvalsShown))
	if err != nil {
		return nil, fmt.Errorf("list approvals: %w", err)
	}
	all := make([]Approval, 0, len(rows))
	for _, row := range rows {
		all = append(all, p.approval(row))
	}
	return all, nil
}

// Decide answers the request of another owner. NotFound, Forbidden for an own request, Conflict where it is too late.
func (p *People) Decide(ctx context.Context, actor store.Actor, id store.ID, approve bool) (Approval, error) {
	row, err := p.cfg.DB.Approval(ctx, id)
	switch {
	case hasCode(err, store.NotFound):
		return Approval{}, refuse(NotFound, "There is no such request.")
	case err != nil:
		return Approval{}, fmt.Errorf("read the request: %w", err)
	case row.User == actor.User:
		return Approval{}, refuse(Forbidden, "This is your own request; another owner has to answer it.")
	}
	verdict := "refused"
	if approve {
		verdict = "approved"
	}
	err = p.note(ctx, store.Access{Action: "approval.decide", Actor: actor, Object: row.About, Detail: verdict + ", asked by " + row.UserName})
	if err != nil {
		return Approval{}, err
	}
	switch err := p.cfg.DB.DecideApproval(ctx, id, actor.User, actor.Name, approve); {
	case hasCode(err, store.Conflict):
		return Approval{}, refuse(Conflict, "This request was answered already, or has run out.")
	case err != nil:
		return Approval{}, fmt.Errorf("answer the request: %w", err)
	}
	if row, err = p.cfg.DB.Approval(ctx, id); err != nil {
		return Approval{}, fmt.Errorf("read the request: %w", err)
	}
	return p.approval(row), nil
}

func (p *People) approval(row store.Approval) Approval {
	a := Approval{
		ID: row.ID, Act: Act(row.Act), About: row.About, By: row.UserName, ByID: row.User, Created: row.Created, Expires: row.Expires,
		State: "pending", DecidedBy: row.Decider,
	}
	switch {
	case !row.Used.IsZero():
		a.State = "used"
	case row.Decided && !row.Approved:
		a.State = "refused"
	case !p.cfg.Now().Before(row.Expires):
		a.State = "expired"
	case row.Approved:
		a.State = "approved"
	}
	return a
}

// checkApprovals judges a change of the acts under approval. fewer is true where the change itself needs an approval.
func (p *People) checkApprovals(ctx context.Context, old, want []Act) (fewer bool, err error) {
	for _, a := range want {
		if !slices.Contains(acts, a) {
			return false, refuse(Invalid, "%.40q is no act that can be put under approval.", string(a))
		}
	}
	if len(want) > 0 {
		owners, err := p.owners(ctx)
		if err != nil {
			return false, err
		}
		if owners < 2 {
			return false, refuse(Conflict, "There is one owner only, and nobody who could approve. Invite a second owner first.")
		}
	}
	return slices.ContainsFunc(old, func(a Act) bool { return !slices.Contains(want, a) }), nil
}

// owners counts the owners that can sign in.
func (p *People) owners(ctx context.Context) (n int, err error) {
	users, err := p.Users(ctx)
	for _, u := range users {
		if u.Role == Owner && !u.Disabled {
			n++
		}
	}
	return n, err
}
