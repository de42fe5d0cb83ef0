import type { DatabaseSync } from "node:sqlite";
import { removeDatabase } from "./put_aside.ts";

/** What became of a file that is in use. */
type FileChange = "same" | "removed" | "replaced";

/** Tells whether the file at a path is still the one that was there: SQLite goes on with a file that was unlinked. */
export class FileIdentity {
  readonly #path: string;
  #known: string | undefined;

  constructor(path: string) {
    this.#path = path;
    this.#known = identityOf(path);
  }

  /** Compares with how it was found last; a file that was not there before is taken as it is. */
  look(): FileChange {
    const [before, now] = [this.#known, identityOf(this.#path)];
    this.#known = now ?? before;
    if (before === undefined || before === now) return "same";
    return now === undefined ? "removed" : "replaced";
  }
}

function identityOf(path: string): string | undefined {
  try {
    const { dev, ino } = Deno.statSync(path);
    return `${dev} ${ino}`;
  } catch {
    return undefined;
  }
}

/**
 * Saves what an open database still knows whose file, or whose log (`change` is "same"), is not there any more. The
 * database must be opened anew after it.
 *
 * @returns what became of it, in words
 * @throws what keeps it from being written
 */
export function rescue(db: DatabaseSync, path: string, change: FileChange): string {
  switch (change) {
    case "same":
      db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
      return "lost its log while in use; what was in it is kept";
    case "removed":
      // A log without its database would be taken for the new one's.
      removeDatabase(path);
      db.prepare("VACUUM INTO ?").run(path);
      return "was removed while in use and has been written again";
    case "replaced":
      return "was replaced while in use; what it holds now counts, and what was written since is lost";
  }
}
