-- The first schema of Cardea. Times are microseconds since 1970 in UTC. Identifiers (id) are 16-byte ULIDs; the
-- numbers (no) never leave the database. Tables are STRICT, so that a column holds what it says.

-- What a person set, and what the store itself remembers. One row a key.
CREATE TABLE setting (
  key   TEXT PRIMARY KEY,                -- dotted name, for example 'retention.days' or 'store.id'
  value TEXT NOT NULL                    -- text form, as its reader defines it
) STRICT, WITHOUT ROWID;

-- Numbers that only grow, whatever is deleted.
CREATE TABLE counter (
  name  TEXT PRIMARY KEY,                -- 'event': the last change number given to an event
  value INTEGER NOT NULL                 -- the last number given away
) STRICT, WITHOUT ROWID;
INSERT INTO counter (name, value) VALUES ('event', 0);

-- A key pair that clips are sealed to. The box holds the public half only.
CREATE TABLE vault (
  no        INTEGER PRIMARY KEY,         -- what clip rows point to
  id        BLOB NOT NULL UNIQUE CHECK (length(id) = 16), -- ULID
  name      TEXT NOT NULL,               -- what people call it
  type      TEXT NOT NULL CHECK (type IN ('hybrid', 'x25519')), -- kind of age recipient
  recipient TEXT NOT NULL UNIQUE,        -- age recipient, the public key
  created   INTEGER NOT NULL,            -- when it was made
  retired   INTEGER,                     -- when it stopped taking new clips; NULL = in use
  preferred INTEGER NOT NULL DEFAULT 0 CHECK (preferred IN (0, 1)) -- 1 = the default vault
) STRICT;
CREATE UNIQUE INDEX vault_preferred ON vault (preferred) WHERE preferred = 1;

-- A person who may sign in.
CREATE TABLE user (
  no             INTEGER PRIMARY KEY,    -- what other tables point to
  id             BLOB NOT NULL UNIQUE CHECK (length(id) = 16), -- ULID
  name           TEXT NOT NULL UNIQUE COLLATE NOCASE, -- sign-in name
  role           TEXT NOT NULL CHECK (role IN ('owner', 'member', 'viewer')), -- what they may do
  password_hash  TEXT NOT NULL,          -- Argon2id in PHC form; auth reads and writes it
  totp_secret    BLOB,                   -- TOTP seed sealed with the box key; NULL = not enrolled
  totp_last_step INTEGER NOT NULL DEFAULT 0, -- last accepted 30 s step, so that a code works once
  disabled       INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1)), -- 1 = may not sign in
  created        INTEGER NOT NULL        -- when the account was made
) STRICT;

-- One-time codes that stand in for TOTP.
CREATE TABLE recovery_code (
  user_no INTEGER NOT NULL REFERENCES user (no) ON DELETE CASCADE, -- whose
  hash    BLOB NOT NULL,                 -- SHA-256 of the code
  used    INTEGER,                       -- when it was spent; NULL = still good
  PRIMARY KEY (user_no, hash)
) STRICT, WITHOUT ROWID;

-- A signed-in browser.
CREATE TABLE session (
  id_hash   BLOB PRIMARY KEY,            -- SHA-256 of the cookie value; the value itself is not stored
  user_no   INTEGER NOT NULL REFERENCES user (no) ON DELETE CASCADE, -- who
  created   INTEGER NOT NULL,            -- sign-in
  last_seen INTEGER NOT NULL,            -- last request, coarse
  expires   INTEGER NOT NULL,            -- not valid from here on
  addr      TEXT NOT NULL,               -- IP address at sign-in
  agent     TEXT NOT NULL                -- User-Agent at sign-in, cut to 200 bytes
) STRICT, WITHOUT ROWID;
CREATE INDEX session_user ON session (user_no);
CREATE INDEX session_expires ON session (expires);

-- Failed attempts, so that a restart does not forget them.
CREATE TABLE throttle (
  key   TEXT PRIMARY KEY,                -- what is throttled, for example 'user:ann' or 'addr:192.0.2.1'
  fails INTEGER NOT NULL,                -- failures in a row
  until INTEGER NOT NULL,                -- no attempt is looked at before this time
  last  INTEGER NOT NULL                 -- time of the last failure, for pruning
) STRICT, WITHOUT ROWID;

-- The one-time token of the first run. At most one row.
CREATE TABLE claim (
  one        INTEGER PRIMARY KEY CHECK (one = 1), -- always 1
  token_hash BLOB NOT NULL,              -- SHA-256 of the token
  expires    INTEGER NOT NULL            -- not valid from here on
) STRICT;

-- A vault's identity, wrapped for one person; the box cannot open it.
CREATE TABLE vault_grant (
  no       INTEGER PRIMARY KEY,          -- row number
  id       BLOB NOT NULL UNIQUE CHECK (length(id) = 16), -- ULID
  vault_no INTEGER NOT NULL REFERENCES vault (no), -- which vault
  user_no  INTEGER NOT NULL REFERENCES user (no) ON DELETE CASCADE, -- whom it is for
  kind     TEXT NOT NULL CHECK (kind IN ('passphrase', 'passkey', 'device')), -- how it is wrapped
  label    TEXT NOT NULL DEFAULT '',     -- name of the device, for people
  wrapped  BLOB NOT NULL,                -- the wrapped identity; for 'passphrase' a standard age file
  created  INTEGER NOT NULL,             -- when it was made
  revoked  INTEGER                       -- when it was taken back, wrapped is empty then; NULL = in force
) STRICT;
CREATE INDEX vault_grant_user ON vault_grant (user_no, vault_no);

-- A camera. A removed camera stays as a row while clips of it exist.
CREATE TABLE camera (
  no              INTEGER PRIMARY KEY AUTOINCREMENT, -- what clip rows point to; never given twice
  id              BLOB NOT NULL UNIQUE CHECK (length(id) = 16), -- ULID
  name            TEXT NOT NULL COLLATE NOCASE, -- what people call it; unique among cameras not removed
  url             TEXT NOT NULL,         -- rtsp:// or rtsps:// address, never with user or password
  secret          BLOB,                  -- user and password sealed with the box key; NULL = none
  pin             BLOB,                  -- SHA-256 of the camera's SPKI; NULL = not pinned
  trust           TEXT NOT NULL CHECK (trust IN ('paired', 'pinned', 'plain')), -- how its identity is known
  transport       TEXT NOT NULL DEFAULT 'auto' CHECK (transport IN ('auto', 'tcp', 'udp')), -- how media travels
  allow_tls12     INTEGER NOT NULL DEFAULT 0 CHECK (allow_tls12 IN (0, 1)), -- 1 = exception from TLS 1.3 for this camera
  mode            TEXT NOT NULL DEFAULT 'continuous' CHECK (mode IN ('continuous', 'event', 'off')), -- when it records
  preroll_ms      INTEGER NOT NULL DEFAULT 5000,  -- kept from before an event
  postroll_ms     INTEGER NOT NULL DEFAULT 10000, -- recorded after an event
  retention_days  INTEGER,               -- keep this many days; NULL = the house rule
  retention_bytes INTEGER,               -- keep at most this many bytes; NULL = no rule of its own
  audio           INTEGER NOT NULL DEFAULT 1 CHECK (audio IN (0, 1)), -- 1 = sound is recorded
  vault_no        INTEGER REFERENCES vault (no), -- where its clips are sealed; NULL = the default vault
  position        INTEGER NOT NULL,      -- place in lists, smallest first
  created         INTEGER NOT NULL,      -- when it was added
  removed         INTEGER,               -- when a person removed it; NULL = in use
  purge           INTEGER NOT NULL DEFAULT 0 CHECK (purge IN (0, 1)) -- 1 = removed together with its clips
) STRICT;
CREATE UNIQUE INDEX camera_name ON camera (name) WHERE removed IS NULL;

-- Codec strings, kept once.
CREATE TABLE codec (
  no   INTEGER PRIMARY KEY,              -- what clip rows point to
  mime TEXT NOT NULL UNIQUE              -- RFC 6381 codecs, for example 'avc1.64001f,mp4a.40.2'
) STRICT;

-- A clip: one sealed file of about a minute of one camera. See README.md, life of a clip.
CREATE TABLE clip (
  camera_no    INTEGER NOT NULL REFERENCES camera (no), -- whose picture
  start        INTEGER NOT NULL,         -- wall time of the first frame
  id           BLOB NOT NULL CHECK (length(id) = 16), -- ULID, names the file
  "end"        INTEGER,                  -- wall time where the last frame's duration ends; NULL while open
  bytes        INTEGER NOT NULL DEFAULT 0, -- size of the file; 0 while open
  plain        INTEGER NOT NULL DEFAULT 0, -- plaintext bytes covered by the parts, init segment included; 0 while open
  header_bytes INTEGER NOT NULL,         -- where the first age chunk starts in the file (header and nonce)
  init_bytes   INTEGER NOT NULL,         -- length of the init segment at the start of the plaintext
  sha256       BLOB CHECK (sha256 IS NULL OR length(sha256) = 32), -- of the whole file; NULL while open
  state        INTEGER NOT NULL CHECK (state IN (0, 1, 2)), -- 0 open, 1 closed, 2 torn (cut off, settled later)
  cause        INTEGER NOT NULL CHECK (cause IN (0, 1)), -- 0 continuous, 1 event
  keep         INTEGER NOT NULL DEFAULT 0 CHECK (keep IN (0, 1)), -- 1 = retention leaves it alone
  vault_no     INTEGER NOT NULL REFERENCES vault (no), -- whom it is sealed to
  codec_no     INTEGER NOT NULL REFERENCES codec (no), -- what is in it
  parts_no     INTEGER,                  -- its clip_parts row; NULL while open
  PRIMARY KEY (camera_no, start)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX clip_id ON clip (id);
CREATE INDEX clip_open ON clip (state) WHERE state = 0;

-- The parts of a closed or torn clip, packed (see store/parts).
CREATE TABLE clip_parts (
  no     INTEGER PRIMARY KEY,            -- what the clip row points to
  packed BLOB NOT NULL                   -- start, plaintext offset and key flag of each part
) STRICT;

-- The durable parts of a clip that is still being written. Each row says how far the file was safe with it.
CREATE TABLE open_part (
  clip   BLOB NOT NULL,                  -- id of the clip
  n      INTEGER NOT NULL,               -- 0, 1, 2, ...
  start  INTEGER NOT NULL,               -- wall time of its first frame
  offset INTEGER NOT NULL,               -- where its moof starts in the plaintext
  key    INTEGER NOT NULL CHECK (key IN (0, 1)), -- 1 = starts with a key frame
  "end"  INTEGER NOT NULL,               -- wall time up to which the clip was durable when this row was written
  plain  INTEGER NOT NULL,               -- plaintext bytes durable by then
  bytes  INTEGER NOT NULL,               -- file bytes durable by then
  PRIMARY KEY (clip, n)
) STRICT, WITHOUT ROWID;

-- A torn clip whose file is about to be replaced by a whole one (salvage); the row says what the new file will be.
CREATE TABLE replacement (
  clip         BLOB PRIMARY KEY,         -- id of the clip
  header_bytes INTEGER NOT NULL,         -- as in clip
  bytes        INTEGER NOT NULL,         -- as in clip
  sha256       BLOB NOT NULL CHECK (length(sha256) = 32) -- as in clip
) STRICT, WITHOUT ROWID;

-- What a camera's closed and torn clips add up to; kept by the triggers below.
CREATE TABLE usage (
  camera_no  INTEGER PRIMARY KEY REFERENCES camera (no) ON DELETE CASCADE, -- whose
  clips      INTEGER NOT NULL DEFAULT 0, -- number of clips, open ones included
  bytes      INTEGER NOT NULL DEFAULT 0, -- their bytes
  kept_bytes INTEGER NOT NULL DEFAULT 0  -- the bytes of those with keep = 1
) STRICT;
CREATE TRIGGER camera_insert AFTER INSERT ON camera BEGIN
  INSERT INTO usage (camera_no) VALUES (NEW.no);
END;
CREATE TRIGGER clip_insert AFTER INSERT ON clip BEGIN
  UPDATE usage SET clips = clips + 1, bytes = bytes + NEW.bytes, kept_bytes = kept_bytes + NEW.keep * NEW.bytes
   WHERE camera_no = NEW.camera_no;
END;
CREATE TRIGGER clip_update AFTER UPDATE OF bytes, keep ON clip BEGIN
  UPDATE usage SET bytes = bytes + NEW.bytes - OLD.bytes,
                   kept_bytes = kept_bytes + NEW.keep * NEW.bytes - OLD.keep * OLD.bytes
   WHERE camera_no = NEW.camera_no;
END;
CREATE TRIGGER clip_delete AFTER DELETE ON clip BEGIN
  UPDATE usage SET clips = clips - 1, bytes = bytes - OLD.bytes, kept_bytes = kept_bytes - OLD.keep * OLD.bytes
   WHERE camera_no = OLD.camera_no;
  DELETE FROM clip_parts WHERE no = OLD.parts_no;
  DELETE FROM open_part WHERE clip = OLD.id;
  DELETE FROM replacement WHERE clip = OLD.id;
END;

-- A time when a camera that should have recorded did not, with the reason.
CREATE TABLE gap (
  camera_no INTEGER NOT NULL REFERENCES camera (no) ON DELETE CASCADE, -- whose
  start     INTEGER NOT NULL,            -- from
  "end"     INTEGER,                     -- to; NULL = still going on
  reason    TEXT NOT NULL,               -- one word, for example 'offline' or 'disk-full'
  detail    TEXT NOT NULL DEFAULT '',    -- a sentence for people
  PRIMARY KEY (camera_no, start)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX gap_open ON gap (camera_no) WHERE "end" IS NULL;

-- Something that happened. Followers read by seq and keep a cursor.
CREATE TABLE event (
  no        INTEGER PRIMARY KEY,         -- row number
  id        BLOB NOT NULL UNIQUE CHECK (length(id) = 16), -- ULID
  seq       INTEGER NOT NULL UNIQUE,     -- number of its last change; grows over all events
  camera_no INTEGER REFERENCES camera (no) ON DELETE CASCADE, -- where; NULL = the box itself
  kind      TEXT NOT NULL,               -- for example 'motion' or 'camera.offline'
  start     INTEGER NOT NULL,            -- when it began
  "end"     INTEGER,                     -- when it ended; NULL = still going on
  source    TEXT NOT NULL,               -- who noticed, for example 'recorder' or 'person'
  labels    TEXT NOT NULL DEFAULT '[]',  -- JSON array of words
  data      TEXT NOT NULL DEFAULT '{}'   -- JSON object, more about it
) STRICT;
CREATE INDEX event_camera ON event (camera_no, start);
CREATE INDEX event_start ON event (start);

-- How far a follower of events has come.
CREATE TABLE cursor (
  name TEXT PRIMARY KEY,                 -- the follower
  seq  INTEGER NOT NULL                  -- the last seq it has dealt with
) STRICT, WITHOUT ROWID;

-- Files whose rows are gone and that are to be unlinked. Emptied at start and after each deletion.
CREATE TABLE garbage (
  no      INTEGER PRIMARY KEY,           -- row number
  path    TEXT NOT NULL UNIQUE,          -- relative to the clips directory
  bytes   INTEGER NOT NULL,              -- size by the index
  reason  TEXT NOT NULL,                 -- why, for example 'age', 'space' or 'person'
  deleted INTEGER NOT NULL               -- when the clip row went
) STRICT;
