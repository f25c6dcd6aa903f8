-- Cameras that are not ours can be paired too, by their ONVIF Security service.
ALTER TABLE device ADD COLUMN enrolment TEXT CHECK (json_valid(enrolment)); -- what was put on such a camera, by its own names (camera/onvif Enrolment); NULL = a camera agent, which looks after itself
