-- How often somebody did what has a rate, so that a restart does not forget it (store.Rate). A row is of no more use once due has passed.
CREATE TABLE rate (
  key TEXT PRIMARY KEY,                  -- who does what, for example 'sign-in address 192.0.2.1/32'
  due INTEGER NOT NULL                   -- when all that was done would have been done at the steady rate
) STRICT, WITHOUT ROWID;
