package web

import (
	"net/http"

	"github.com/gofiber/fiber/v2"

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
		{post, "/api/session", caller.Anyone, "Sign in", call(created, a.SignIn)},
		{get, "/api/ca", caller.Anyone, "The certificate authority of this NVR", call(ok, a.CA)},
		{get, "/ca.crt", caller.Anyone, "Its certificate in DER", raw(ok, "application/x-x509-ca-cert", s.download(caDER))},
		{get, "/ca.pem", caller.Anyone, "Its certificate in PEM", raw(ok, "application/x-pem-file", s.download(caPEM))},
		{get, "/ca.mobileconfig", caller.Anyone, "Its certificate as a profile for iOS", raw(ok, "application/x-apple-aspen-config", s.download(caProfile))},

		// Whoever is signed in.
		{get, "/api/session", caller.Viewer, "Who am I", call(ok, a.Session)},
		{del, "/api/session", caller.Viewer, "Sign out", call(none, a.SignOut)},
		{get, "/api/vaults", caller.Viewer, "Vaults and who holds a grant", call(ok, a.Vaults)},
		{get, "/api/vaults/{id}/grants", caller.Viewer, "The caller's own grants with the wrapped identity", call(ok, a.Grants)},
		{post, "/api/vaults/{id}/grants", caller.Viewer, "Enrol a device of the caller's", call(created, a.NewGrant)},
		{del, "/api/vaults/{id}/grants/{grant}", caller.Viewer, "Revoke a grant", call(none, a.RevokeGrant)},
		{get, "/api/cameras", caller.Viewer, "All cameras with their state", call(ok, a.Cameras)},
		{get, "/api/cameras/{id}", caller.Viewer, "One camera", call(ok, a.Camera)},
		{get, "/api/cameras/{id}/health", caller.Viewer, "The line to a camera and its latest changes", call(ok, a.CameraHealth)},
		{get, "/api/timeline", caller.Viewer, "Coverage, gaps with reasons, and events of a camera", call(ok, a.Timeline)},
		{get, "/api/clips", caller.Viewer, "Clips, oldest first", call(ok, a.Clips)},
		{get, "/api/clips/{id}", caller.Viewer, "One clip with its parts", call(ok, a.Clip)},
		{get, "/api/clips/{id}/data", caller.Viewer, "The age ciphertext of a clip, whole or one range", raw(ok, binary, p.ClipData)},
		{get, "/api/events", caller.Viewer, "Events, newest first", call(ok, a.Events)},
		{get, "/api/health", caller.Viewer, "The state of the NVR", call(ok, a.Health)},
		{get, "/api/live", caller.Viewer, "WebSocket with live video of many cameras", raw(http.StatusSwitchingProtocols, binary, p.Live)},
		{get, "/api/log/checkpoint", caller.Viewer, "The newest signed checkpoint of a log, for a witness to remember", call(ok, a.LogCheckpoint)},
		{get, "/api/log/proof", caller.Viewer, "That a log goes on from an older checkpoint, or holds a record", call(ok, a.LogProof)},
		{get, "/api/log/vkey", caller.Viewer, "The public key of a log", call(ok, a.LogKey)},
		{get, "/log/{log}/checkpoint", caller.Viewer, "The same checkpoint as a file of C2SP tlog-tiles, for followers", raw(ok, "text/plain", s.logFile)},
		{get, "/log/{log}/log.vkey", caller.Viewer, "The same public key as a file", raw(ok, "text/plain", s.logFile)},
		{get, "/log/{log}/tile/*", caller.Viewer, "Tiles and entry bundles of a log: commitments, no contents", raw(ok, binary, s.logFile)},
		{get, "/metrics", caller.Viewer, "Figures for Prometheus", raw(ok, "text/plain", s.metrics)},

		// Members of the house.
		{post, "/api/cameras/{id}/record", caller.Member, "Record an event now", call(created, a.Record)},
		{get, "/api/settings", caller.Member, "The rules of the house", call(ok, a.Settings)},

		// Owners.
		{get, "/api/discovery", caller.Owner, "Cameras found on the network and not added", call(ok, a.Discovery)},
		{post, "/api/discovery/scan", caller.Owner, "Look for cameras at each address of a network", call(ok, a.Scan)},
		{post, "/api/probe", caller.Owner, "Look at an address before it is saved", call(ok, a.Probe)},
		{post, "/api/cameras", caller.Owner, "Add a camera", call(created, a.AddCamera)},
		{post, "/api/pairings", caller.Owner, "Pair with a camera agent by the code that it shows", call(created, a.Pair)},
		{post, "/api/cameras/{id}/revoke", caller.Owner, "Take a paired camera's certificate back for good", call(none, a.RevokeCamera)},
		{get, "/api/ca/devices", caller.Owner, "The certificate authority of paired cameras", call(ok, a.DeviceCA)},
		{post, "/api/ca/devices", caller.Owner, "Replace the certificate authority of paired cameras", call(ok, a.RollCA)},
		{patch, "/api/cameras/{id}", caller.Owner, "Change a camera", call(ok, a.ChangeCamera)},
		{del, "/api/cameras/{id}", caller.Owner, "Remove a camera", call(none, a.RemoveCamera)},
		{post, "/api/vaults", caller.Owner, "Bring a vault made in the browser", call(created, a.NewVault)},
		{patch, "/api/settings", caller.Owner, "Change the rules of the house", call(ok, a.ChangeSettings)},
		{get, "/api/log/syslog", caller.Owner, "Where the logs are sent to, and how that goes", call(ok, a.Syslog)},
		{put, "/api/log/syslog", caller.Owner, "Send the logs to a collector, or stop it", call(ok, a.SetSyslog)},
		{get, "/api/log", caller.Owner, "Who did what, or what became of footage; newest first", call(ok, a.Log)},
		{get, "/api/users", caller.Owner, "All accounts", call(ok, a.Users)},

		// The command line on the machine itself.
		{post, "/api/console/claim", caller.Console, "A new one-time claim URL", call(created, a.NewClaim)},
		{post, "/api/console/setup", caller.Console, "First run without a browser", call(created, a.ConsoleSetup)},
		{post, "/api/console/users/reset-password", caller.Console, "A new password for an account", call(none, a.ResetPassword)},
		{post, "/api/console/users/reset-totp", caller.Console, "A new second factor for an account", call(ok, a.ResetTOTP)},
		{put, "/api/console/clips/{id}/data", caller.Console, "Replace a torn clip by one that was made whole", raw(none, jsonType, s.replaceTorn)},
		{post, "/api/console/backup", caller.Console, "Make a sealed backup now", call(ok, a.BackupNow)},

		// The app: files, and its index for every route of its own.
		{get, "/*", caller.Anyone, "The web app", raw(ok, fiber.MIMETextHTML, s.serveApp)},
	}
}
