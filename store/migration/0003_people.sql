-- People: what each of them sees, and more ways in.

ALTER TABLE user ADD COLUMN restricted INTEGER NOT NULL DEFAULT 0 CHECK (restricted IN (0, 1)); -- 1 = sees the cameras of user_camera only

-- A camera that a restricted person sees.
CREATE TABLE user_camera (
  user_no   INTEGER NOT NULL REFERENCES user (no) ON DELETE CASCADE,   -- who
  camera_no INTEGER NOT NULL REFERENCES camera (no) ON DELETE CASCADE, -- what
  PRIMARY KEY (user_no, camera_no)
) STRICT, WITHOUT ROWID;
CREATE INDEX user_camera_camera ON user_camera (camera_no);

ALTER TABLE session ADD COLUMN sid BLOB NOT NULL DEFAULT x''; -- names the session in lists; stays when its secret is replaced
ALTER TABLE session ADD COLUMN verified INTEGER NOT NULL DEFAULT 0; -- when the person last proved to be who they are
UPDATE session SET sid = substr(id_hash, 1, 10);

-- A key for programs, with a part of what its person may do.
CREATE TABLE api_token (
  no        INTEGER PRIMARY KEY,         -- row number
  id        BLOB NOT NULL UNIQUE CHECK (length(id) = 16), -- ULID
  user_no   INTEGER NOT NULL REFERENCES user (no) ON DELETE CASCADE, -- whose
  name      TEXT NOT NULL,               -- what it is for
  hash      BLOB NOT NULL UNIQUE,        -- SHA-256 of the token; the token itself is not stored
  scopes    TEXT NOT NULL,               -- words with a blank between them: read, media, control, admin
  created   INTEGER NOT NULL,            -- when it was made
  expires   INTEGER NOT NULL,            -- not valid from here on
  last_used INTEGER                      -- last request, coarse; NULL = never
) STRICT;
CREATE INDEX api_token_user ON api_token (user_no);

-- An account that waits for its person.
CREATE TABLE invitation (
  no         INTEGER PRIMARY KEY,        -- row number
  id         BLOB NOT NULL UNIQUE CHECK (length(id) = 16), -- ULID
  token_hash BLOB NOT NULL UNIQUE,       -- SHA-256 of the token in the link
  name       TEXT NOT NULL UNIQUE COLLATE NOCASE, -- sign-in name of the account to be
  role       TEXT NOT NULL CHECK (role IN ('owner', 'member', 'viewer')), -- its role
  restricted INTEGER NOT NULL CHECK (restricted IN (0, 1)), -- as in user
  cameras    TEXT NOT NULL DEFAULT '',   -- ids of the cameras that it will see, with blanks between them
  inviter    TEXT NOT NULL,              -- name of who invited
  created    INTEGER NOT NULL,           -- when
  expires    INTEGER NOT NULL            -- not valid from here on
) STRICT;

-- A WebAuthn credential.
CREATE TABLE passkey (
  no         INTEGER PRIMARY KEY,        -- row number
  id         BLOB NOT NULL UNIQUE CHECK (length(id) = 16), -- ULID
  user_no    INTEGER NOT NULL REFERENCES user (no) ON DELETE CASCADE, -- whose
  credential BLOB NOT NULL UNIQUE,       -- credential id, as the authenticator names it
  record     TEXT NOT NULL,              -- public key, counter and flags; JSON as auth writes it
  name       TEXT NOT NULL,              -- name of the device, for people
  prf        INTEGER NOT NULL CHECK (prf IN (0, 1)), -- 1 = can derive a key for a vault
  created    INTEGER NOT NULL,           -- when it was made
  last_used  INTEGER                     -- last sign-in with it; NULL = never
) STRICT;
CREATE INDEX passkey_user ON passkey (user_no);

-- An act that one owner wants and another one has to agree to.
CREATE TABLE approval (
  no         INTEGER PRIMARY KEY,        -- row number
  id         BLOB NOT NULL UNIQUE CHECK (length(id) = 16), -- ULID
  act        TEXT NOT NULL,              -- for example 'user.remove'
  object     TEXT NOT NULL,              -- what exactly, as the one who acts compares it
  about      TEXT NOT NULL,              -- the same for people
  user_no    INTEGER NOT NULL REFERENCES user (no) ON DELETE CASCADE, -- who asks
  created    INTEGER NOT NULL,           -- when
  expires    INTEGER NOT NULL,           -- of no use from here on
  approved   INTEGER CHECK (approved IN (0, 1)), -- NULL = nobody has decided
  decider    TEXT NOT NULL DEFAULT '',   -- name of who decided
  used       INTEGER                     -- when the act was done; NULL = not yet
) STRICT;
CREATE INDEX approval_user ON approval (user_no, act);
