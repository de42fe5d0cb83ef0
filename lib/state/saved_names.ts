import type {
  GivenName,
  NamedKind,
  NamedServer,
  NamesChange,
  PublicNameStore,
} from "../router/name_store.ts";
import { type DatabaseEvents, openStatements, type ResilientDatabase } from "./resilient_database.ts";
import type { Statements } from "./sqlite/sql.ts";

const MIGRATIONS: readonly string[] = [
  `CREATE TABLE server (
     name TEXT PRIMARY KEY,
     identity TEXT NOT NULL,
     generation INTEGER NOT NULL,
     listed TEXT NOT NULL,
     seen_ms INTEGER NOT NULL
   );
   CREATE TABLE given (
     kind TEXT NOT NULL,
     public_name TEXT NOT NULL,
     server TEXT,
     name TEXT NOT NULL,
     generation INTEGER NOT NULL,
     given_ms INTEGER NOT NULL,
     former_server TEXT,
     PRIMARY KEY (kind, public_name)
   );`,
];

const SQL = {
  servers: "SELECT * FROM server",
  names: "SELECT * FROM given",
  setServer: "INSERT OR REPLACE INTO server VALUES (?, ?, ?, ?, ?)",
  setName: "INSERT OR REPLACE INTO given VALUES (?, ?, ?, ?, ?, ?, ?)",
  dropServer: "DELETE FROM server WHERE name = ?",
  dropName: "DELETE FROM given WHERE kind = ? AND public_name = ?",
} as const;

type NameStatements = Statements<keyof typeof SQL>;

/**
 * The names given to tools and prompts, in SQLite. Faults are logged, not thrown: names are then kept in memory, and
 * written once the file can be written again.
 */
export class SqlitePublicNames implements PublicNameStore, Disposable {
  readonly #file: ResilientDatabase<NameStatements>;
  /** All rows: a file that was damaged or could not be written gets them again. */
  readonly #servers = new Map<string, NamedServer>();
  readonly #names = new Map<string, GivenName>();
  #isLoaded = false;

  /** @param options `retryMs`: how long after a fault the file is tried again */
  constructor(
    path: string,
    { onChange, onQuarantine, retryMs }: DatabaseEvents & { retryMs?: number } = {},
  ) {
    this.#file = openStatements({
      path,
      what: "the names of tools,",
      migrations: MIGRATIONS,
      sql: SQL,
      onChange,
      onQuarantine,
      retryMs,
      onOpen: (sql) => this.#opened(sql),
    });
  }

  /** Why the file cannot be used now, in a sentence. */
  get fault(): string | undefined {
    return this.#file.fault;
  }

  load(): { servers: NamedServer[]; names: GivenName[] } {
    return { servers: [...this.#servers.values()], names: [...this.#names.values()] };
  }

  save(change: NamesChange): void {
    const { servers = [], names = [], goneServers = [], goneNames = [] } = change;
    for (const name of goneServers) this.#servers.delete(name);
    for (const name of goneNames) this.#names.delete(keyOf(name));
    for (const server of servers) this.#servers.set(server.name, server);
    for (const name of names) this.#names.set(keyOf(name), name);
    this.#file.write((sql) => {
      for (const name of goneServers) sql.dropServer.run(name);
      for (const { kind, publicName } of goneNames) sql.dropName.run(kind, publicName);
      write(sql, servers, names);
    });
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }

  /** Reads the file at first; later ones, which may be new, get what is known by then. */
  #opened(sql: NameStatements): void {
    if (!this.#isLoaded) {
      for (const server of sql.servers.all().map(serverOf)) this.#servers.set(server.name, server);
      for (const name of sql.names.all().flatMap(nameOf)) this.#names.set(keyOf(name), name);
      this.#isLoaded = true;
    }
    write(sql, this.#servers.values(), this.#names.values());
  }
}

function write(sql: NameStatements, servers: Iterable<NamedServer>, names: Iterable<GivenName>): void {
  for (const { name, identity, generation, listed, seenMs } of servers) {
    sql.setServer.run(name, identity, generation, listed.join(" "), seenMs);
  }
  for (const { kind, publicName, server, name, generation, givenMs, formerServer } of names) {
    sql.setName.run(kind, publicName, server, name, generation, givenMs, formerServer);
  }
}

function keyOf({ kind, publicName }: Pick<GivenName, "kind" | "publicName">): string {
  return `${kind} ${publicName}`;
}

type Row = Record<string, unknown>;

function isKind(value: unknown): value is NamedKind {
  return value === "tools" || value === "prompts";
}

function serverOf(row: Row): NamedServer {
  return {
    name: String(row.name),
    identity: String(row.identity),
    generation: Number(row.generation),
    listed: String(row.listed).split(" ").filter(isKind),
    seenMs: Number(row.seen_ms),
  };
}

/** Empty for a row that no daemon of this version has written. */
function nameOf(row: Row): GivenName[] {
  if (!isKind(row.kind)) return [];
  const textOrNull = (value: unknown) => value === null ? null : String(value);
  return [{
    kind: row.kind,
    publicName: String(row.public_name),
    server: textOrNull(row.server),
    name: String(row.name),
    generation: Number(row.generation),
    givenMs: Number(row.given_ms),
    formerServer: textOrNull(row.former_server),
  }];
}
