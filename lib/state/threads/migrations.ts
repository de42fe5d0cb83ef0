/** The format of the thread database, one entry a version. Published entries never change; new ones follow. */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE thread (
    id TEXT PRIMARY KEY,
    tool TEXT NOT NULL,
    title TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    used_at_ms INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX thread_used ON thread (used_at_ms);

  CREATE TABLE turn (
    seq INTEGER PRIMARY KEY,
    thread_id TEXT NOT NULL REFERENCES thread (id) ON DELETE CASCADE,
    tool TEXT NOT NULL,
    run INTEGER NOT NULL,
    step INTEGER, -- null for an exchange that is no step
    branch TEXT NOT NULL,
    last INTEGER NOT NULL,
    request TEXT NOT NULL, -- JSON
    reply TEXT, -- JSON; null when it follows from the requests
    at_ms INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX turn_thread ON turn (thread_id, seq);
  CREATE UNIQUE INDEX turn_step ON turn (thread_id, tool, run, branch, step) WHERE step IS NOT NULL;
  `,
  `
  ALTER TABLE thread ADD COLUMN owner TEXT; -- as ownerKey writes it; null: begun before threads had owners
  CREATE INDEX thread_owner ON thread (owner, used_at_ms);
  `,
];
