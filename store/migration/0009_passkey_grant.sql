-- Grants that a passkey opens end with the passkey, and a passkey can open the personal key of its person.

ALTER TABLE vault_grant ADD COLUMN passkey_no INTEGER REFERENCES passkey (no) ON DELETE SET NULL CHECK (passkey_no IS NULL OR kind = 'passkey'); -- which passkey opens it; NULL = none does
ALTER TABLE passkey ADD COLUMN personal BLOB; -- private half of the person's personal key, sealed in the browser with a key that the passkey derives; NULL = it cannot open that

CREATE INDEX vault_grant_passkey ON vault_grant (passkey_no) WHERE passkey_no IS NOT NULL;

-- No browser ever made a grant of this kind before passkeys were named; whatever is there, nobody can open.
UPDATE vault_grant SET revoked = created, wrapped = zeroblob(0) WHERE kind = 'passkey' AND revoked IS NULL;
