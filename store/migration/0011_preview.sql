-- The small file beside a clip: key frames of the camera's sub-stream, one every few seconds, for looking through recordings quickly.
-- It has its clip's path with another ending, is sealed to the same recipient, and goes with its clip.
CREATE TABLE preview (
  clip         BLOB PRIMARY KEY CHECK (length(clip) = 16), -- id of the clip
  state        INTEGER NOT NULL CHECK (state IN (0, 1)), -- 0 about to be written, or left so by a crash; 1 whole and durable
  bytes        INTEGER NOT NULL,         -- size of the file
  header_bytes INTEGER NOT NULL,         -- where the first age chunk starts in the file
  init_bytes   INTEGER NOT NULL,         -- length of the init segment at the start of the plaintext
  sha256       BLOB NOT NULL CHECK (length(sha256) = 32), -- of the whole file
  codec_no     INTEGER NOT NULL REFERENCES codec (no), -- what is in it
  packed       BLOB NOT NULL             -- start and plaintext offset of each part, one for each picture (see store/parts)
) STRICT, WITHOUT ROWID;
CREATE INDEX preview_planned ON preview (state) WHERE state = 0;

-- Its bytes count with those of its clip.
CREATE TRIGGER preview_insert AFTER INSERT ON preview BEGIN
  UPDATE usage SET bytes = bytes + NEW.bytes,
                   kept_bytes = kept_bytes + NEW.bytes * (SELECT keep FROM clip WHERE id = NEW.clip)
   WHERE camera_no = (SELECT camera_no FROM clip WHERE id = NEW.clip);
END;
CREATE TRIGGER preview_delete AFTER DELETE ON preview BEGIN
  UPDATE usage SET bytes = bytes - OLD.bytes,
                   kept_bytes = kept_bytes - OLD.bytes * (SELECT keep FROM clip WHERE id = OLD.clip)
   WHERE camera_no = (SELECT camera_no FROM clip WHERE id = OLD.clip);
END;
CREATE TRIGGER preview_keep AFTER UPDATE OF keep ON clip WHEN NEW.keep <> OLD.keep BEGIN
  UPDATE usage SET kept_bytes = kept_bytes + (NEW.keep - OLD.keep) * coalesce((SELECT bytes FROM preview WHERE clip = NEW.id), 0)
   WHERE camera_no = NEW.camera_no;
END;
CREATE TRIGGER preview_clip_delete BEFORE DELETE ON clip BEGIN
  DELETE FROM preview WHERE clip = OLD.id;
END;
