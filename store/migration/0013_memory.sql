-- Footage that a camera kept in its memory while it could not be recorded, and that is fetched later.
ALTER TABLE clip ADD COLUMN fetched INTEGER NOT NULL DEFAULT 0 CHECK (fetched IN (0, 1)); -- 1 = fetched later from the camera's memory

-- The newest picture of each camera that is durable, by the camera's own word. Only of cameras that remember what they sent.
CREATE TABLE mark (
  camera_no INTEGER PRIMARY KEY REFERENCES camera (no) ON DELETE CASCADE, -- whose
  life      INTEGER NOT NULL,            -- the run of the camera that the stamp is of
  stamp     INTEGER NOT NULL             -- when the camera says that it captured the picture; its clock may be wrong
) STRICT;

-- A time that was missed between two recorded pictures and that the camera may remember. A row goes when it was fetched, or when it is
-- too late for that.
CREATE TABLE missed (
  no        INTEGER PRIMARY KEY,         -- row number
  camera_no INTEGER NOT NULL REFERENCES camera (no) ON DELETE CASCADE, -- whose
  life      INTEGER NOT NULL,            -- the run of the camera that the stamps are of
  after     INTEGER NOT NULL,            -- stamp of the last picture there is; 0 = the camera's memory begins later
  before    INTEGER NOT NULL,            -- stamp of the first picture that there is again
  start     INTEGER NOT NULL,            -- wall time up to which there is footage
  "end"     INTEGER NOT NULL             -- wall time from which there is footage again
) STRICT;
CREATE INDEX missed_camera ON missed (camera_no);
