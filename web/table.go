package web

import (
	"net/http"

	"github.com/gofiber/fiber/v2"

	"cardea/auth"
	"cardea/web/caller"
)

// routes is the whole table. Order matters only for the last line.
func (s *Server) routes() []route {
	const (
		get, post, put, patch, del = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete
		ok, created, none          = http.StatusOK, http.StatusCreated, http.StatusNoContent
		jsonType, binary           = "application/json", "application/octet-stream"
	)
	a, p := s.api, s.playback
	return []route{
		// Before anybody is known.
		{get, "/healthz", caller.Anyone, "Liveness; says nothing else", raw(ok, "text/plain", s.healthz)},
		{get, "/api/openapi.json", caller.Anyone, "This document", raw(ok, "application/openapi+json", s.serveOpenAPI)},
		{get, "/api/setup", caller.Anyone, "Whether the NVR has an owner", call(ok, a.SetupState)},
		{post, "/api/setup", caller.Anyone, "Begin the claim with the one-time token", call(ok, a.BeginSetup)},
		{post, "/api/setup/verify", caller.Anyone, "End the claim with a code of the authenticator app", call(created, a.FinishSetup)},
		{post, "/api/session", caller.Anyone, "Sign in", paced(auth.PacedSignIn, call(created, a.SignIn))},
		{post, "/api/session/begin", caller.Anyone, "Begin to sign in with password and passkey; /api/session ends it", paced(auth.PacedSignIn, call(ok, a.BeginSecondFactor))},
		{post, "/api/session/passkey/begin", caller.Anyone, "Begin to sign in, or to step up, with a passkey", paced(auth.PacedSignIn, call(ok, a.BeginPasskeySignIn))},
		{post, "/api/session/passkey", caller.Anyone, "Sign in with a passkey", paced(auth.PacedSignIn, call(created, a.SignInPasskey))},
		{post, "/api/invite", caller.Anyone, "What an invitation is for", paced(auth.PacedInvitation, call(ok, a.Invited))},
		{post, "/api/invite/begin", caller.Anyone, "Choose a password for an account one is invited to", paced(auth.PacedInvitation, call(ok, a.BeginInvited))},
		{post, "/api/invite/verify", caller.Anyone, "End that with a code of the authenticator app", paced(auth.PacedInvitation, call(created, a.FinishInvited))},
		{get, "/api/s/{id}", caller.Anyone, "What a link shows", call(ok, a.Shared)},
		{post, "/api/s/{id}/views", caller.Anyone, "Open a link; it counts and is recorded", paced(auth.PacedLink, call(created, a.ViewShare))},
		{get, "/api/s/{id}/clips/{clip}/data", caller.Anyone, "The age ciphertext of a clip that an opened link shows", raw(ok, binary, p.SharedData)},
		{get, "/api/ca", caller.Anyone, "The certificate authority of this NVR", call(ok, a.CA)},
		{get, "/ca.crt", caller.Anyone, "Its certificate in DER", raw(ok, "application/x-x509-ca-cert", s.download(caDER))},
		{get, "/ca.pem", caller.Anyone, "Its certificate in PEM", raw(ok, "application/x-pem-file", s.download(caPEM))},
		{get, "/ca.mobileconfig", caller.Anyone, "Its certificate as a profile for iOS", raw(ok, "application/x-apple-aspen-config", s.download(caProfile))},

		// Whoever is signed in.
		{get, "/api/session", caller.Viewer, "Who am I", call(ok, a.Session)},
		{del, "/api/session", caller.Viewer, "Sign out", person(call(none, a.SignOut))},
		{post, "/api/session/step-up", caller.Viewer, "Prove once more who one is, for a sensitive act", paced(auth.PacedStepUp, person(call(ok, a.StepUp)))},
		{get, "/api/sessions", caller.Viewer, "The caller's sessions", person(call(ok, a.Sessions))},
		{del, "/api/sessions", caller.Viewer, "End all others", person(call(none, a.EndOtherSessions))},
		{del, "/api/sessions/{id}", caller.Viewer, "End one", person(call(none, a.EndSession))},
		{post, "/api/account/password", caller.Viewer, "Change the caller's password", person(stepUp(call(none, a.ChangePassword)))},
		{post, "/api/account/recovery-codes", caller.Viewer, "Replace the caller's recovery codes", person(stepUp(call(ok, a.NewRecoveryCodes)))},
		{post, "/api/account/totp", caller.Viewer, "Begin to replace the caller's authenticator", person(stepUp(call(ok, a.BeginTOTP)))},
		{post, "/api/account/totp/verify", caller.Viewer, "End that with a code of the new one", person(stepUp(call(none, a.FinishTOTP)))},
		{get, "/api/tokens", caller.Viewer, "API tokens: the caller's, for an owner everybody's", call(ok, a.Tokens)},
		{post, "/api/tokens", caller.Viewer, "Make an API token", person(stepUp(call(created, a.AddToken)))},
		{del, "/api/tokens/{id}", caller.Viewer, "Revoke an API token", person(call(none, a.RevokeToken))},
		{get, "/api/passkeys", caller.Viewer, "The caller's passkeys", person(call(ok, a.Passkeys))},
		{post, "/api/passkeys/begin", caller.Viewer, "Begin to enrol a passkey", person(stepUp(call(ok, a.BeginPasskey)))},
		{post, "/api/passkeys", caller.Viewer, "End that with the authenticator's answer", person(stepUp(call(created, a.AddPasskey)))},
		{del, "/api/passkeys/{id}", caller.Viewer, "Forget a passkey", person(stepUp(call(none, a.RemovePasskey)))},
		{put, "/api/passkeys/{id}/key", caller.Viewer, "Let a passkey open the caller's personal key", person(call(none, a.PutPasskeyKey))},
		{del, "/api/passkeys/{id}/key", caller.Viewer, "Take back what a passkey opens; it goes on to sign in", person(call(none, a.RemovePasskeyKey))},
		{get, "/api/vaults", caller.Viewer, "Vaults and who holds a grant", call(ok, a.Vaults)},
		{get, "/api/vaults/{id}/grants", caller.Viewer, "The caller's own grants with the wrapped identity", call(ok, a.Grants)},
		{post, "/api/vaults/{id}/grants", caller.Viewer, "Enrol a device of the caller's", call(created, a.NewGrant)},
		{del, "/api/vaults/{id}/grants/{grant}", caller.Viewer, "Revoke a grant", stepUp(call(none, a.RevokeGrant))},
		{get, "/api/account/key", caller.Viewer, "The caller's personal key, which vaults are granted to", call(ok, a.PersonalKey)},
		{put, "/api/account/key", caller.Viewer, "Bring a personal key made in the browser, or wrap it anew", person(call(ok, a.PutPersonalKey))},
		{post, "/api/links", caller.Viewer, "A link to the bytes of a clip for what has no session", call(created, a.NewLink)},
		{get, "/api/cameras", caller.Viewer, "All cameras with their state", call(ok, a.Cameras)},
		{get, "/api/cameras/{id}", caller.Viewer, "One camera", call(ok, a.Camera)},
		{get, "/api/cameras/{id}/health", caller.Viewer, "The line to a camera and its latest changes", call(ok, a.CameraHealth)},
		{get, "/api/timeline", caller.Viewer, "Coverage, gaps with reasons, and events of a camera", call(ok, a.Timeline)},
		{get, "/api/clips", caller.Viewer, "Clips, oldest first", call(ok, a.Clips)},
		{get, "/api/clips/{id}", caller.Viewer, "One clip with its parts", call(ok, a.Clip)},
		{get, "/api/clips/{id}/data", caller.Viewer, "The age ciphertext of a clip, whole or one range", media(linked(raw(ok, binary, p.ClipData)))},
		{get, "/api/clips/{id}/video", caller.Viewer, "The plaintext MP4 of a clip of an open vault, whole or one range", media(linked(raw(ok, "video/mp4", p.ClipVideo)))},
		{get, "/api/clips/{id}/preview", caller.Viewer, "The age ciphertext of a clip's preview, whole or one range", media(raw(ok, binary, p.ClipPreview))},
		{get, "/api/previews", caller.Viewer, "Previews of a camera's clips, oldest first", call(ok, a.Previews)},
		{get, "/api/cameras/{id}/snapshot", caller.Viewer, "A JPEG from the camera itself; it is never stored", media(call(ok, a.Snapshot))},
		{get, "/api/events", caller.Viewer, "Events, newest first", call(ok, a.Events)},
		{get, "/api/events/live", caller.Viewer, "WebSocket with events as they are added and changed", raw(http.StatusSwitchingProtocols, jsonType, s.feed.Events)},
		{get, "/api/events/{id}", caller.Viewer, "One event", call(ok, a.Event)},
		{get, "/api/health", caller.Viewer, "The state of the NVR", call(ok, a.Health)},
		{get, "/api/health/cameras", caller.Viewer, "How each camera is, and was in the last day", call(ok, a.CameraConditions)},
		{get, "/api/groups", caller.Viewer, "Groups of cameras", call(ok, a.Groups)},
		{get, "/api/live", caller.Viewer, "WebSocket with live video of many cameras", media(raw(http.StatusSwitchingProtocols, binary, p.Live))},
		{post, "/api/live/{camera}/whep", caller.Viewer, "Live video over WebRTC: an offer, answered (WHEP)", media(raw(created, "application/sdp", p.WHEP))},
		{del, "/api/live/{camera}/whep/{session}", caller.Viewer, "End it", media(raw(none, jsonType, p.EndPeer))},
		{get, "/api/log/checkpoint", caller.Viewer, "The newest signed checkpoint of a log, for a witness to remember", call(ok, a.LogCheckpoint)},
		{get, "/api/log/proof", caller.Viewer, "That a log goes on from an older checkpoint, or holds a record", call(ok, a.LogProof)},
		{get, "/api/log/vkey", caller.Viewer, "The public key of a log", call(ok, a.LogKey)},
		{get, "/log/{log}/checkpoint", caller.Viewer, "The same checkpoint as a file of C2SP tlog-tiles, for followers", raw(ok, "text/plain", s.logFile)},
		{get, "/log/{log}/log.vkey", caller.Viewer, "The same public key as a file", raw(ok, "text/plain", s.logFile)},
		{get, "/log/{log}/tile/*", caller.Viewer, "Tiles and entry bundles of a log: commitments, no contents", raw(ok, binary, s.logFile)},
		{get, "/metrics", caller.Viewer, "Figures for Prometheus", raw(ok, "text/plain", s.metrics)},

		// Members of the house.
		{post, "/api/cameras/{id}/record", caller.Member, "Record an event now", call(created, a.Record)},
		{patch, "/api/events/{id}", caller.Member, "Mark an event as seen, keep it for ever, or note something about it", call(ok, a.ChangeEvent)},
		{post, "/api/events/review", caller.Member, "Mark events as seen, or not", call(ok, a.ReviewEvents)},
		{get, "/api/cameras/{id}/ptz", caller.Member, "How a camera can be moved", call(ok, a.PTZ)},
		{post, "/api/cameras/{id}/ptz", caller.Member, "Move a camera, or stop it", call(none, a.MoveCamera)},
		{get, "/api/shares", caller.Member, "Links for guests: the caller's, for an owner everybody's", call(ok, a.Shares)},
		{post, "/api/shares", caller.Member, "Make a link that shows clips to whoever has it", person(stepUp(call(created, a.NewShare)))},
		{del, "/api/shares/{id}", caller.Member, "Take a link back", call(none, a.RevokeShare)},
		{post, "/api/evidence", caller.Member, "Prepare a bundle of clips with proofs", person(stepUp(call(created, a.Evidence)))},
		{get, "/api/evidence/{id}", caller.Member, "Fetch it", person(linked(raw(ok, "application/zip", p.EvidenceFile)))},
		{post, "/api/exports", caller.Member, "Record that recordings are about to be saved as a video", person(stepUp(call(none, a.Export)))},
		{get, "/api/storage", caller.Member, "What recordings take, how long that goes on, and how the disk is", call(ok, a.Storage)},
		{get, "/api/settings", caller.Member, "The rules of the house", call(ok, a.Settings)},

		// Owners.
		{get, "/api/discovery", caller.Owner, "Cameras found on the network and not added", call(ok, a.Discovery)},
		{post, "/api/discovery/scan", caller.Owner, "Look for cameras at each address of a network", call(ok, a.Scan)},
		{post, "/api/probe", caller.Owner, "Look at an address before it is saved", call(ok, a.Probe)},
		{post, "/api/cameras", caller.Owner, "Add a camera", call(created, a.AddCamera)},
		{post, "/api/pairings", caller.Owner, "Pair with a camera agent by the code that it shows", paced(auth.PacedPairing, stepUp(call(created, a.Pair)))},
		{post, "/api/cameras/{id}/revoke", caller.Owner, "Take a paired camera's certificate back for good", stepUp(call(none, a.RevokeCamera))},
		{get, "/api/ca/devices", caller.Owner, "The certificate authority of paired cameras", call(ok, a.DeviceCA)},
		{post, "/api/ca/devices", caller.Owner, "Replace the certificate authority of paired cameras", stepUp(call(ok, a.RollCA))},
		{post, "/api/cameras/{id}/accept", caller.Owner, "Decide that an isolated camera may be connected again", stepUp(call(ok, a.AcceptCamera))},
		{post, "/api/cameras/{id}/enrol", caller.Owner, "Give an ONVIF camera a certificate of this NVR's, and have it demand ours", stepUp(call(ok, a.EnrolCamera))},
		{post, "/api/cameras/{id}/sub-codec", caller.Owner, "Have a camera encode its smaller stream differently", call(none, a.SetSubCodec)},
		{get, "/api/cameras/{id}/imaging", caller.Owner, "How a camera's lens makes its picture", call(ok, a.Imaging)},
		{put, "/api/cameras/{id}/imaging", caller.Owner, "Change that", call(ok, a.SetImaging)},
		{patch, "/api/cameras/{id}", caller.Owner, "Change a camera", call(ok, a.ChangeCamera)},
		{del, "/api/cameras/{id}", caller.Owner, "Remove a camera", stepUp(call(none, a.RemoveCamera))},
		{post, "/api/vaults", caller.Owner, "Bring a vault made in the browser", stepUp(call(created, a.NewVault))},
		{patch, "/api/vaults/{id}", caller.Owner, "Rename a vault, or make it the default", call(ok, a.ChangeVault)},
		{post, "/api/vaults/{id}/rotate", caller.Owner, "Renew a vault's key for clips from now on", person(stepUp(call(created, a.Rotate)))},
		{post, "/api/vaults/{id}/revoke", caller.Owner, "Take a vault from somebody", person(stepUp(call(ok, a.RevokeHolder)))},
		{post, "/api/vaults/{id}/open", caller.Owner, "Let the NVR itself open the clips of a vault", person(stepUp(call(ok, a.OpenVault)))},
		{post, "/api/vaults/{id}/seal", caller.Owner, "Take that back", call(ok, a.SealVault)},
		{post, "/api/vaults/{id}/kit-tested", caller.Owner, "Remember that the recovery kit of a vault was shown to open it", person(call(none, a.KitTested))},
		{get, "/api/safety", caller.Owner, "What makes the home safer or less so", call(ok, a.Safety)},
		{get, "/api/keys", caller.Owner, "Everybody's personal keys, public halves", call(ok, a.PersonalKeys)},
		{put, "/api/groups", caller.Owner, "Replace all groups of cameras", call(ok, a.PutGroups)},
		{patch, "/api/settings", caller.Owner, "Change the rules of the house", stepUp(call(ok, a.ChangeSettings))},
		{get, "/api/log/syslog", caller.Owner, "Where the logs are sent to, and how that goes", call(ok, a.Syslog)},
		{put, "/api/log/syslog", caller.Owner, "Send the logs to a collector, or stop it", stepUp(call(ok, a.SetSyslog))},
		{get, "/api/log", caller.Owner, "Who did what, or what became of footage; newest first", call(ok, a.Log)},
		{get, "/api/users", caller.Owner, "All accounts", call(ok, a.Users)},
		{patch, "/api/users/{id}", caller.Owner, "Change an account; its sessions end", stepUp(call(ok, a.ChangeUser))},
		{del, "/api/users/{id}", caller.Owner, "Remove an account", stepUp(call(none, a.RemoveUser))},
		{get, "/api/users/{id}/sessions", caller.Owner, "The sessions of an account", call(ok, a.UserSessions)},
		{del, "/api/users/{id}/sessions", caller.Owner, "End them", call(none, a.EndUserSessions)},
		{get, "/api/invitations", caller.Owner, "Open invitations", call(ok, a.Invitations)},
		{post, "/api/invitations", caller.Owner, "Invite somebody", paced(auth.PacedInvitation, stepUp(call(created, a.Invite)))},
		{del, "/api/invitations/{id}", caller.Owner, "Take an invitation back", call(none, a.Uninvite)},
		{get, "/api/access", caller.Owner, "Where the NVR is administered from, and what needs two owners", call(ok, a.Access)},
		{put, "/api/access", caller.Owner, "Change that", person(stepUp(call(ok, a.ChangeAccess)))},
		{get, "/api/approvals", caller.Owner, "Requests for the agreement of a second owner", call(ok, a.Approvals)},
		{post, "/api/approvals/{id}", caller.Owner, "Answer the request of another owner", person(stepUp(call(ok, a.Decide)))},

		// The command line on the machine itself.
		{post, "/api/console/claim", caller.Console, "A new one-time claim URL", call(created, a.NewClaim)},
		{post, "/api/console/setup", caller.Console, "First run without a browser", call(created, a.ConsoleSetup)},
		{post, "/api/console/users", caller.Console, "An account that works at once", call(created, a.AddUser)},
		{post, "/api/console/tokens", caller.Console, "An API token of somebody", call(created, a.ConsoleToken)},
		{post, "/api/console/users/reset-password", caller.Console, "A new password for an account", call(none, a.ResetPassword)},
		{post, "/api/console/users/reset-totp", caller.Console, "A new second factor for an account", call(ok, a.ResetTOTP)},
		{put, "/api/console/clips/{id}/data", caller.Console, "Replace a torn clip by one that was made whole", raw(none, jsonType, s.replaceTorn)},
		{post, "/api/console/backup", caller.Console, "Make a sealed backup now", call(ok, a.BackupNow)},

		// The app: files, and its index for every route of its own.
		{get, "/*", caller.Anyone, "The web app", raw(ok, fiber.MIMETextHTML, s.serveApp)},
	}
}
