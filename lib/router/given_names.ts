import type { GivenName, NamesChange } from "./name_store.ts";

/** The public names given to entries of one kind, and what has changed since they were saved. */
export class GivenNames {
  /** By public name. */
  readonly #rows = new Map<string, GivenName>();
  /** Public names other than the own ones, by server and name. */
  readonly #prefixed = new Map<string, string>();
  readonly #counts = new Map<string, number>();
  readonly #changed = new Map<string, GivenName>();
  readonly #gone = new Map<string, GivenName>();

  get(publicName: string): GivenName | undefined {
    return this.#rows.get(publicName);
  }

  /** The name that a tool of `server` was given in place of `name`, as another had that. */
  prefixedName(server: string, name: string): string | undefined {
    return this.#prefixed.get(keyOf(server, name));
  }

  /** Adds a row that is saved already. */
  load(row: GivenName): void {
    this.#remove(row.publicName);
    this.#rows.set(row.publicName, row);
    const { server, name, publicName } = row;
    if (server === null) return;
    this.#counts.set(server, this.countOf(server) + 1);
    if (publicName === name) return;
    const key = keyOf(server, name);
    // A server that has a name twice has two of these; which of them is which must not change.
    const other = this.#prefixed.get(key);
    if (other === undefined || publicName < other) this.#prefixed.set(key, publicName);
  }

  set(row: GivenName): void {
    this.load(row);
    this.#gone.delete(row.publicName);
    this.#changed.set(row.publicName, row);
  }

  /** Gives the names of the server `from` to the server `to`, except those that contain the name of the former. */
  rename(from: string, to: string): void {
    this.drop(({ server, publicName, name }) => server === from && publicName !== name);
    for (const row of [...this.#rows.values()]) {
      const moved = (server: string | null) => server === from ? to : server;
      if (row.server !== from && row.formerServer !== from) continue;
      this.set({ ...row, server: moved(row.server), formerServer: moved(row.formerServer) });
    }
  }

  drop(isDropped: (row: GivenName) => boolean): void {
    for (const row of [...this.#rows.values()].filter(isDropped)) {
      this.#remove(row.publicName);
      this.#changed.delete(row.publicName);
      this.#gone.set(row.publicName, row);
    }
  }

  /** Drops the names that are nobody's and that no server is left for. */
  dropUnwanted(): void {
    const wanted = new Set(
      this.#rows.values().filter(({ server }) => server !== null).map(({ name }) => name),
    );
    this.drop(({ server, name }) => server === null && !wanted.has(name));
  }

  /** How many names `server` has been given. */
  countOf(server: string): number {
    return this.#counts.get(server) ?? 0;
  }

  /** What has changed since the last time; undefined when nothing has. */
  takeChange(): NamesChange | undefined {
    if (this.#changed.size === 0 && this.#gone.size === 0) return undefined;
    const change = { names: [...this.#changed.values()], goneNames: [...this.#gone.values()] };
    this.#changed.clear();
    this.#gone.clear();
    return change;
  }

  #remove(publicName: string): void {
    const row = this.#rows.get(publicName);
    if (!row) return;
    this.#rows.delete(publicName);
    const { server, name } = row;
    if (server === null) return;
    this.#counts.set(server, this.countOf(server) - 1);
    const key = keyOf(server, name);
    if (this.#prefixed.get(key) === publicName) this.#prefixed.delete(key);
  }
}

function keyOf(server: string, name: string): string {
  return `${server}\n${name}`;
}
