-- Cameras that the NVR stays away from until a person decides.
CREATE TABLE isolation (
  camera_no INTEGER PRIMARY KEY REFERENCES camera (no) ON DELETE CASCADE, -- which camera
  since     INTEGER NOT NULL,            -- when it was isolated
  cause     TEXT NOT NULL,               -- the rule that did it: identity, bitrate
  detail    TEXT NOT NULL,               -- what was seen, a sentence for people
  presented BLOB CHECK (length(presented) = 32) -- SHA-256 of the SPKI that it showed instead of the pinned one; NULL = none
) STRICT;
