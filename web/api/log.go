package api

import (
	"context"
	"encoding/base64"
	"time"

	"cardea/store"
	"cardea/web/sentence"
)

// LogEntry is a record of a log as people read it.
type LogEntry struct {
	Seq        int64          `json:"seq" doc:"Its place in the log"`
	Time       time.Time      `json:"time"`
	Action     string         `json:"action"`
	Result     string         `json:"result,omitempty" enum:"ok,refused"`
	User       string         `json:"user,omitempty" doc:"ULID of the account"`
	Name       string         `json:"name,omitempty"`
	Role       string         `json:"role,omitempty" doc:"owner, member, viewer, or console for a command on the machine"`
	Addr       string         `json:"addr,omitempty"`
	Agent      string         `json:"agent,omitempty"`
	Camera     string         `json:"camera,omitempty"`
	CameraName string         `json:"camera_name,omitempty" doc:"As it was then"`
	Clip       string         `json:"clip,omitempty"`
	Start      string         `json:"start,omitempty" doc:"Of the footage"`
	End        string         `json:"end,omitempty"`
	Bytes      int64          `json:"bytes,omitempty"`
	SHA256     string         `json:"sha256,omitempty"`
	State      string         `json:"state,omitempty" doc:"Of a clip: closed, torn or salvaged"`
	Reason     string         `json:"reason,omitempty" doc:"Of a gap or a deletion"`
	Object     string         `json:"object,omitempty" doc:"What it was done to, where that is no camera or clip"`
	Detail     string         `json:"detail,omitempty"`
	Said       *sentence.Said `json:"said,omitempty" doc:"The detail as a code and values"`
}

// LogRequest says which records.
type LogRequest struct {
	Log    string `query:"log" enum:"access,footage" doc:"access (default) or footage"`
	Camera string `query:"camera" maxLength:"26"`
	User   string `query:"user" maxLength:"400" doc:"Name of an account"`
	Action string `query:"action" maxLength:"64"`
	Before int64  `query:"before" minimum:"0" doc:"Records with a smaller number only; 0 for the newest"`
	Within
	AtMost
}

// Log answers GET /api/log, newest first.
func (a *API) Log(ctx context.Context, in *LogRequest) (*Body[[]LogEntry], error) {
	name, err := store.ParseLogName(in.Log)
	if err != nil {
		return nil, err
	}
	camera, err := optionalID(in.Camera)
	if err != nil {
		return nil, err
	}
	all, err := a.nvr.LogRecords(ctx, actor(ctx), store.LogQuery{
		Log: name, From: in.From, To: in.To, User: in.User, Camera: camera, Action: in.Action, Before: in.Before, Limit: in.or(500),
	})
	if err != nil {
		return nil, err
	}
	return answer(list(all, logEntry)), nil
}

func logEntry(r store.LoggedRecord) LogEntry {
	return LogEntry{
		Seq: r.Seq, Time: r.At, Action: r.Action, Result: r.Result, User: r.User, Name: r.Name, Role: r.Role, Addr: r.Addr, Agent: r.Agent,
		Camera: r.Camera, CameraName: r.CameraName, Clip: r.Clip, Start: r.Start, End: r.End, Bytes: r.Bytes, SHA256: r.SHA256,
		State: r.State, Reason: r.Reason, Object: r.Object, Detail: r.Detail, Said: sentence.Of(r.Detail),
	}
}

// LogName names a log.
type LogName struct {
	Log string `query:"log" enum:"access,footage" doc:"access (default) or footage"`
}

// LogCheckpoint is what a witness remembers of a log.
type LogCheckpoint struct {
	Log          string `json:"log"`
	Size         int64  `json:"size" doc:"Records that the checkpoint covers"`
	Root         string `json:"root" doc:"Hash over all of them in base64 (RFC 9162, section 2.1.1)"`
	Checkpoint   string `json:"checkpoint" doc:"Signed note of C2SP tlog-checkpoint"`
	VKey         string `json:"vkey" doc:"Public key in the form of C2SP signed-note"`
	ErasedBefore int64  `json:"erased_before" doc:"The contents of records below may be erased; their proofs stay"`
}

// LogCheckpoint answers GET /api/log/checkpoint.
func (a *API) LogCheckpoint(ctx context.Context, in *LogName) (*Body[LogCheckpoint], error) {
	name, err := store.ParseLogName(in.Log)
	if err != nil {
		return nil, err
	}
	l, err := a.nvr.Log(ctx, name)
	if err != nil {
		return nil, err
	}
	return answer(LogCheckpoint{
		name.String(), l.Checkpoint.Size, base64.StdEncoding.EncodeToString(l.Checkpoint.Root[:]), string(l.Checkpoint.Text), l.Key, l.ErasedBefore,
	}), nil
}

// LogKey is the public key of a log.
type LogKey struct {
	Log  string `json:"log"`
	VKey string `json:"vkey"`
}

// LogKey answers GET /api/log/vkey.
func (a *API) LogKey(ctx context.Context, in *LogName) (*Body[LogKey], error) {
	name, err := store.ParseLogName(in.Log)
	if err != nil {
		return nil, err
	}
	l, err := a.nvr.Log(ctx, name)
	if err != nil {
		return nil, err
	}
	return answer(LogKey{name.String(), l.Key}), nil
}

// LogProofRequest asks for one of two proofs: seq for that of a record, old for that of a checkpoint.
type LogProofRequest struct {
	LogName
	Seq  int64 `query:"seq" minimum:"-1" default:"-1" doc:"Prove that this record is in the log"`
	Old  int64 `query:"old" minimum:"-1" default:"-1" doc:"Prove that the log of this size is the beginning of the one of size"`
	Size int64 `query:"size" minimum:"0" doc:"Of the log; 0 for that of the newest checkpoint"`
}

// LogProof is a proof by hashes (RFC 9162, sections 2.1.3 and 2.1.4).
type LogProof struct {
	Log    string   `json:"log"`
	Seq    *int64   `json:"seq,omitempty"`
	Old    *int64   `json:"old,omitempty"`
	Size   int64    `json:"size"`
	Leaf   string   `json:"leaf,omitempty" doc:"Leaf hash of the record in base64"`
	Hashes []string `json:"hashes" nullable:"false" doc:"In base64"`
}

// LogProof answers GET /api/log/proof.
func (a *API) LogProof(ctx context.Context, in *LogProofRequest) (*Body[LogProof], error) {
	name, err := store.ParseLogName(in.Log)
	if err != nil {
		return nil, err
	}
	if (in.Seq < 0) == (in.Old < 0) {
		return nil, store.Errorf(store.Invalid, "ask for seq, the proof of a record, or for old, the proof of an older size")
	}
	out := LogProof{Log: name.String()}
	var hashes [][]byte
	if in.Seq >= 0 {
		var leaf []byte
		leaf, hashes, out.Size, err = a.nvr.LogInclusion(ctx, name, in.Seq, in.Size)
		out.Seq, out.Leaf = &in.Seq, base64.StdEncoding.EncodeToString(leaf)
	} else {
		hashes, out.Size, err = a.nvr.LogConsistency(ctx, name, in.Old, in.Size)
		out.Old = &in.Old
	}
	if err != nil {
		return nil, err
	}
	out.Hashes = list(hashes, base64.StdEncoding.EncodeToString)
	return answer(out), nil
}
