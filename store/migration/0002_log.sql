-- Records of the two tamper-evident logs (see store/tlog). What is committed here is in the log; the tree of hashes follows.

-- A record with its salt. Retention deletes the row; its commitment stays in the tree for ever.
CREATE TABLE log_record (
  log    INTEGER NOT NULL CHECK (log IN (1, 2)), -- 1 access, 2 footage
  seq    INTEGER NOT NULL,               -- 0, 1, 2, ...: its place in the tree
  at     INTEGER NOT NULL,               -- when it was appended
  action TEXT NOT NULL,                  -- as in the record, for filters
  camera BLOB,                           -- id of the camera, as in the record; NULL = none
  clip   BLOB,                           -- id of the clip, as in the record; NULL = none
  salt   BLOB NOT NULL CHECK (length(salt) = 32), -- random; the leaf of the tree is HMAC-SHA256(salt, record)
  record TEXT NOT NULL,                  -- JSON, byte for byte what was committed to
  PRIMARY KEY (log, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX log_record_clip ON log_record (clip) WHERE log = 2 AND clip IS NOT NULL;

-- The number of records ever appended to each log; never goes back.
INSERT INTO counter (name, value) VALUES ('log.access', 0), ('log.footage', 0);
