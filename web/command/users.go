package command

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"cardea/web/api"
	"cardea/web/console"
)

// Users is the way back for owners who locked themselves out, and people without a browser. Whatever it changes is in the
// access log as `console` and an event that owners see.
type Users struct {
	List          usersList          `cmd:"" help:"List accounts."`
	Add           usersAdd           `cmd:"" help:"Invite somebody: prints a link that is good once, for a day. With a password file the account works at once; prints JSON."`
	Remove        usersRemove        `cmd:"" help:"Remove an account."`
	ResetPassword usersResetPassword `cmd:"" help:"Give an account a new password, which is printed where it is not given; its sessions end."`
	ResetTOTP     usersResetTOTP     `cmd:"" name:"reset-totp" help:"Give an account a new second factor and recovery codes; prints JSON."`
	Tokens        usersTokens        `cmd:"" help:"Tokens for programs."`
	AllowList     usersAllowList     `cmd:"" help:"The addresses that the NVR is administered from."`
	Approvals     usersApprovals     `cmd:"" help:"The acts that need a second owner."`
}

type usersList struct{ listing }

func (c *usersList) Run(e *Env) error {
	return e.with(false, func(client *console.Client) error {
		users, err := people(e, client)
		if err != nil {
			return err
		}
		lines := [][]string{}
		for _, u := range users {
			sees := "all"
			if u.Cameras != nil {
				sees = strconv.Itoa(len(*u.Cameras))
			}
			lines = append(lines, []string{u.ID, u.Name, u.Role, strconv.FormatBool(!u.Disabled), sees})
		}
		return c.print(e, users, "ID NAME ROLE ENABLED CAMERAS", lines)
	})
}

func people(e *Env, client *console.Client) (users []api.Person, err error) {
	return users, client.Get(e.Ctx, "/api/users", nil, &users)
}

// userID takes the ID or the name of an account.
func userID(e *Env, client *console.Client, text string) (string, error) {
	users, err := people(e, client)
	if err != nil {
		return "", err
	}
	for _, u := range users {
		if u.ID == text || strings.EqualFold(u.Name, text) {
			return u.ID, nil
		}
	}
	return "", fmt.Errorf("there is no account %q; `cardea users list` shows all", text)
}

type usersAdd struct {
	Name         string   `arg:"" help:"Sign-in name."`
	Role         string   `help:"owner, member or viewer." enum:"owner,member,viewer" default:"viewer"`
	Camera       []string `help:"ID or name of a camera that a member or viewer sees; all cameras without it." placeholder:"ID"`
	PasswordFile string   `help:"File with the password." env:"CARDEA_PASSWORD_FILE" placeholder:"FILE"`
}

func (c *usersAdd) Run(e *Env) error {
	return e.with(false, func(client *console.Client) error {
		body := map[string]any{"name": c.Name, "role": c.Role}
		if len(c.Camera) > 0 {
			var ids []string
			for _, text := range c.Camera {
				id, err := cameraID(e, client, text)
				if err != nil {
					return err
				}
				ids = append(ids, id)
			}
			body["cameras"] = ids
		}
		if c.PasswordFile == "" {
			var invited api.NewInvitation
			if err := client.Do(e.Ctx, "POST", "/api/invitations", body, &invited); err != nil {
				return err
			}
			fmt.Fprintf(e.Stderr, "Give this link to %s; it is good once, until %s:\n", c.Name, invited.Expires.Local().Format(time.DateTime))
			_, err := fmt.Fprintln(e.Stdout, invited.URL)
			return err
		}
		password, err := readSecret(c.PasswordFile)
		if err != nil {
			return err
		}
		body["password"] = password
		var enrolment api.Enrolment
		if err := client.Do(e.Ctx, "POST", "/api/console/users", body, &enrolment); err != nil {
			return err
		}
		return printEnrolment(e, enrolment)
	})
}

// printEnrolment prints what a person has to keep, as JSON.
func printEnrolment(e *Env, enrolment api.Enrolment) error {
	return e.printJSON(map[string]any{"totp_uri": enrolment.TOTPURI, "recovery_codes": enrolment.RecoveryCodes})
}

type usersRemove struct {
	Name string `arg:"" help:"Name of the account."`
}

func (c *usersRemove) Run(e *Env) error {
	return e.with(false, func(client *console.Client) error {
		id, err := userID(e, client, c.Name)
		if err != nil {
			return err
		}
		return client.Do(e.Ctx, "DELETE", "/api/users/"+id, nil, nil)
	})
}

type usersResetPassword struct {
	Name         string `arg:"" help:"Name of the account."`
	PasswordFile string `help:"File with the new password; made up and printed without it." env:"CARDEA_PASSWORD_FILE" placeholder:"FILE"`
}

// Run prints the password only where it made it up.
func (c *usersResetPassword) Run(e *Env) error {
	password := newPassphrase()
	if c.PasswordFile != "" {
		var err error
		if password, err = readSecret(c.PasswordFile); err != nil {
			return err
		}
	}
	return e.with(false, func(client *console.Client) error {
		err := client.Do(e.Ctx, "POST", "/api/console/users/reset-password", map[string]any{"name": c.Name, "password": password}, nil)
		if err != nil || c.PasswordFile != "" {
			return err
		}
		return e.printJSON(map[string]string{"password": password})
	})
}

type usersResetTOTP struct {
	Name string `arg:"" help:"Name of the account."`
}

func (c *usersResetTOTP) Run(e *Env) error {
	return e.with(false, func(client *console.Client) error {
		var enrolment api.Enrolment
		if err := client.Do(e.Ctx, "POST", "/api/console/users/reset-totp", map[string]any{"name": c.Name}, &enrolment); err != nil {
			return err
		}
		return printEnrolment(e, enrolment)
	})
}

type usersTokens struct {
	List   tokensList   `cmd:"" help:"List tokens."`
	Add    tokensAdd    `cmd:"" help:"Make a token and print it, once."`
	Revoke tokensRevoke `cmd:"" help:"End a token at once."`
}

type tokensList struct{ listing }

func (c *tokensList) Run(e *Env) error {
	return e.with(false, func(client *console.Client) error {
		var tokens []api.Token
		if err := client.Get(e.Ctx, "/api/tokens", nil, &tokens); err != nil {
			return err
		}
		lines := [][]string{}
		for _, t := range tokens {
			lines = append(lines, []string{t.ID, t.UserName, strings.Join(t.Scopes, ","), t.Expires.Local().Format(time.DateOnly), t.Name})
		}
		return c.print(e, tokens, "ID USER SCOPES EXPIRES NAME", lines)
	})
}

type tokensAdd struct {
	User  string   `arg:"" help:"Name of the account that it acts for."`
	Name  string   `help:"What it is for." required:"" placeholder:"NAME"`
	Scope []string `help:"read, media, control or admin." enum:"read,media,control,admin" default:"read" placeholder:"SCOPE"`
	Days  int      `help:"How long it is good for, up to 365." default:"90"`
}

func (c *tokensAdd) Run(e *Env) error {
	return e.with(false, func(client *console.Client) error {
		id, err := userID(e, client, c.User)
		if err != nil {
			return err
		}
		var made api.NewToken
		body := map[string]any{"name": c.Name, "scopes": c.Scope, "days": c.Days}
		if err := client.Do(e.Ctx, "POST", "/api/console/tokens?user="+url.QueryEscape(id), body, &made); err != nil {
			return err
		}
		_, err = fmt.Fprintln(e.Stdout, made.Secret)
		return err
	})
}

type tokensRevoke struct {
	ID string `arg:"" help:"ID of the token."`
}

func (c *tokensRevoke) Run(e *Env) error {
	return e.with(false, func(client *console.Client) error {
		return client.Do(e.Ctx, "DELETE", "/api/tokens/"+url.PathEscape(c.ID), nil, nil)
	})
}

type usersAllowList struct {
	Show  allowListShow  `cmd:"" help:"Show the list; empty is everywhere."`
	Set   allowListSet   `cmd:"" help:"Replace the list."`
	Clear allowListClear `cmd:"" help:"Administer the NVR from everywhere again."`
}

type allowListShow struct{ listing }

func (c *allowListShow) Run(e *Env) error {
	return e.with(false, func(client *console.Client) error {
		var access api.Access
		if err := client.Get(e.Ctx, "/api/access", nil, &access); err != nil {
			return err
		}
		lines := [][]string{}
		for _, network := range access.AdminAddresses {
			lines = append(lines, []string{network})
		}
		return c.print(e, access.AdminAddresses, "NETWORK", lines)
	})
}

type allowListSet struct {
	Networks []string `arg:"" help:"Addresses or networks, such as 192.168.1.0/24 or fd00::/64."`
}

func (c *allowListSet) Run(e *Env) error { return changeAccess(e, "admin_addresses", c.Networks) }

type allowListClear struct{}

func (allowListClear) Run(e *Env) error { return changeAccess(e, "admin_addresses", []string{}) }

func changeAccess(e *Env, what string, to []string) error {
	return e.with(false, func(client *console.Client) error {
		return client.Do(e.Ctx, "PUT", "/api/access", map[string]any{what: to}, nil)
	})
}

type usersApprovals struct {
	List  approvalsList  `cmd:"" help:"List requests and what became of them."`
	Clear approvalsClear `cmd:"" help:"Let one owner do everything again."`
}

type approvalsList struct{ listing }

func (c *approvalsList) Run(e *Env) error {
	return e.with(false, func(client *console.Client) error {
		var requests []api.Approval
		if err := client.Get(e.Ctx, "/api/approvals", nil, &requests); err != nil {
			return err
		}
		lines := [][]string{}
		for _, r := range requests {
			lines = append(lines, []string{r.ID, r.By, r.State, r.Expires.Local().Format(time.DateTime), r.Object})
		}
		return c.print(e, requests, "ID BY STATE EXPIRES OBJECT", lines)
	})
}

type approvalsClear struct{}

func (approvalsClear) Run(e *Env) error { return changeAccess(e, "approvals", []string{}) }
