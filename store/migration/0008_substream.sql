-- What else a camera has beside its main stream.
ALTER TABLE camera ADD COLUMN sub_url TEXT;  -- rtsp:// or rtsps:// of a smaller stream at the same host, never with user or password; NULL = none
ALTER TABLE camera ADD COLUMN onvif TEXT;    -- http:// or https:// of its ONVIF device service at the same host, never with user or password; NULL = none
ALTER TABLE camera ADD COLUMN controls INTEGER NOT NULL DEFAULT 0; -- what it was found to be able to do: 1 PTZ, 2 talk-back, 4 snapshot, 8 imaging, 16 motion events
