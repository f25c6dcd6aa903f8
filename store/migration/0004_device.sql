-- The cameras that this NVR paired with (see camera/pairing), whatever became of them.
CREATE TABLE device (
  no        INTEGER PRIMARY KEY,         -- row number
  id        BLOB NOT NULL UNIQUE CHECK (length(id) = 16), -- ULID, stands in the camera's certificate
  camera_no INTEGER REFERENCES camera (no) ON DELETE SET NULL, -- the camera that it is; NULL = none yet, or forgotten
  state     TEXT NOT NULL CHECK (state IN ('pending', 'activating', 'active', 'revoked')), -- how far the pairing has come
  spki      BLOB NOT NULL CHECK (length(spki) = 32), -- SHA-256 of its SubjectPublicKeyInfo
  address   TEXT NOT NULL,               -- host:port where it was paired
  name      TEXT NOT NULL,               -- what the camera is to be called when it is activated
  model     TEXT NOT NULL,               -- what it says it is
  leaf      BLOB NOT NULL,               -- its newest certificate, DER
  bundle    INTEGER NOT NULL,            -- number of the bundle of authorities that it has
  created   INTEGER NOT NULL,            -- when the code was right
  activated INTEGER,                     -- when it became a camera
  synced    INTEGER,                     -- when it was last spoken to over its certificate
  revoked   INTEGER                      -- when it was taken back
) STRICT;
CREATE UNIQUE INDEX device_active ON device (camera_no) WHERE state = 'active';
