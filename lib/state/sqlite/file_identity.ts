/** What happened to a file that is in use. */
type FileChange = "same" | "removed" | "replaced";

/** Tells whether the file at a path is still the same one, by device and inode. */
export class FileIdentity {
  readonly #path: string;
  #known: string | undefined;

  constructor(path: string) {
    this.#path = path;
    this.#known = identityOf(path);
  }

  /** Compares with the previous check; a file that did not exist then counts as the same. */
  check(): FileChange {
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
