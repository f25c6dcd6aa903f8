-- Vaults that many people open, whose key is renewed, and whose clips are shown to guests.

ALTER TABLE vault ADD COLUMN successor_no INTEGER REFERENCES vault (no); -- the vault whose key took its place; NULL = none
ALTER TABLE vault ADD COLUMN stale INTEGER NOT NULL DEFAULT 0 CHECK (stale IN (0, 1)); -- 1 = somebody who could open it lost their last grant: its key has to be renewed
ALTER TABLE vault ADD COLUMN box_grant BLOB; -- its identity sealed with the box key: the box can open it; NULL = it cannot

-- Another kind of grant: sealed to the personal key of its user.
CREATE TABLE vault_grant_new (
  no       INTEGER PRIMARY KEY,          -- row number
  id       BLOB NOT NULL UNIQUE CHECK (length(id) = 16), -- ULID
  vault_no INTEGER NOT NULL REFERENCES vault (no), -- which vault
  user_no  INTEGER NOT NULL REFERENCES user (no) ON DELETE CASCADE, -- whom it is for
  kind     TEXT NOT NULL CHECK (kind IN ('passphrase', 'passkey', 'device', 'sealed')), -- how it is wrapped
  label    TEXT NOT NULL DEFAULT '',     -- name of the device, for people
  wrapped  BLOB NOT NULL,                -- the wrapped identity; for 'passphrase' and 'sealed' a standard age file
  created  INTEGER NOT NULL,             -- when it was made
  revoked  INTEGER                       -- when it was taken back, wrapped is empty then; NULL = in force
) STRICT;
INSERT INTO vault_grant_new SELECT no, id, vault_no, user_no, kind, label, wrapped, created, revoked FROM vault_grant;
DROP TABLE vault_grant;
ALTER TABLE vault_grant_new RENAME TO vault_grant;
CREATE INDEX vault_grant_user ON vault_grant (user_no, vault_no);

-- Whoever loses their last grant may have kept the identity, however the grant went: revoked, or with the account.
CREATE TRIGGER vault_grant_revoke AFTER UPDATE OF revoked ON vault_grant WHEN old.revoked IS NULL AND new.revoked IS NOT NULL BEGIN
  UPDATE vault SET stale = 1 WHERE no = new.vault_no AND retired IS NULL AND NOT EXISTS
    (SELECT 1 FROM vault_grant g WHERE g.vault_no = new.vault_no AND g.user_no = new.user_no AND g.revoked IS NULL);
END;
CREATE TRIGGER vault_grant_delete AFTER DELETE ON vault_grant WHEN old.revoked IS NULL BEGIN
  UPDATE vault SET stale = 1 WHERE no = old.vault_no AND retired IS NULL;
END;

-- The personal key of a person: what owners seal vaults to. Made in that person's browser.
CREATE TABLE user_key (
  user_no   INTEGER PRIMARY KEY REFERENCES user (no) ON DELETE CASCADE, -- whose
  recipient TEXT NOT NULL UNIQUE,        -- age recipient, the public half
  wrapped   BLOB NOT NULL,               -- the private half, an age file locked by the person's vault passphrase
  created   INTEGER NOT NULL             -- when this pair came into use
) STRICT;

-- A link that shows some clips to whoever has it.
CREATE TABLE share (
  no        INTEGER PRIMARY KEY,         -- row number
  id        BLOB NOT NULL UNIQUE CHECK (length(id) = 16), -- ULID, stands in the link
  user_no   INTEGER NOT NULL REFERENCES user (no) ON DELETE CASCADE, -- who shares
  camera_no INTEGER NOT NULL REFERENCES camera (no) ON DELETE CASCADE, -- whose clips
  start     INTEGER,                     -- nothing from before is served; NULL = whole clips
  "end"     INTEGER,                     -- nothing from here on is served; NULL = whole clips
  note      TEXT NOT NULL DEFAULT '',    -- words for whoever opens it
  keys      BLOB NOT NULL,               -- file keys of the clips, sealed under the key behind the # of the link; empty when it is over
  created   INTEGER NOT NULL,            -- when it was made
  expires   INTEGER NOT NULL,            -- of no use from here on
  max_views INTEGER NOT NULL DEFAULT 0,  -- how often it may be opened; 0 = any number of times
  views     INTEGER NOT NULL DEFAULT 0,  -- how often it was opened
  last_view INTEGER,                     -- when it was last opened; NULL = never
  revoked   INTEGER                      -- when it was taken back; NULL = not
) STRICT;
CREATE INDEX share_camera ON share (camera_no);
CREATE INDEX share_user ON share (user_no);

-- A clip that a link shows. The clip itself may be gone by now.
CREATE TABLE share_clip (
  share_no INTEGER NOT NULL REFERENCES share (no) ON DELETE CASCADE, -- the link
  clip     BLOB NOT NULL CHECK (length(clip) = 16), -- id of the clip
  PRIMARY KEY (share_no, clip)
) STRICT, WITHOUT ROWID;
