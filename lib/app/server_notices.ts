import { getLogger } from "@logtape/logtape";
import type { Caller } from "../call/call.ts";
import { describeTrouble, type ServerTrouble } from "../call/server_trouble.ts";
import type { Session } from "../session/session.ts";
import type { ServerTroubles } from "./server_troubles.ts";
import { concerns, type KnownPlace, knownPlaceOf } from "../upstream/audience.ts";
import type { ProcessEventListener } from "../upstream/process_records.ts";
import { isProgramMissing, stateOfStopped, troubleOf } from "../upstream/server_state.ts";

const log = getLogger(["exai", "upstream"]);

interface NoticeOptions {
  sessions: Iterable<Session>;
  troubles: ServerTroubles;
  /** Whether a window may use any tool of the server. */
  sees(caller: Caller, server: string): boolean;
}

/** What a window was told does not work. */
type Told =
  /** `hadStarted`: it died, and is said to work again only once it has answered a call. */
  | { about: "process"; hadStarted: boolean }
  | { about: "entry"; server: string | undefined; text: string };

/** The key of what is told of an entry of the configuration; undefined: of the whole of it. */
function keyOf(server: string | undefined): string {
  return `entry ${server ?? ""}`;
}

/**
 * Tells windows when a server stops working for them and when it works again, as log notifications, once for each
 * change. What stood in the instructions of a window counts as told.
 */
export class ServerNotices {
  readonly #options: NoticeOptions;
  /** By server, and {@linkcode keyOf} its entry. */
  readonly #told = new WeakMap<Caller, Map<string, Told>>();
  /** Events are told in their order. */
  #last: Promise<void> = Promise.resolve();

  constructor(options: NoticeOptions) {
    this.#options = options;
  }

  /**
   * What does not work for a window that has just begun, and is told so by its instructions; `isSeen`: its client sees
   * these, which is not so when its shim has found another daemon.
   */
  async atStart(caller: Caller, { isSeen }: { isSeen: boolean }): Promise<readonly ServerTrouble[]> {
    const { troubles, sees } = this.#options;
    const isForIt = ({ server }: ServerTrouble) => server === undefined || sees(caller, server);
    const { entries, processes } = await troubles.of(caller);
    const seen = { entries: entries.filter(isForIt), processes: processes.filter(isForIt) };
    const told = this.#toldTo(caller);
    for (const trouble of seen.entries) {
      const { server } = trouble;
      told.set(keyOf(server), { about: "entry", server, text: describeTrouble(trouble) });
    }
    for (const { server } of seen.processes) told.set(server ?? "", { about: "process", hadStarted: false });
    const all = [...seen.entries, ...seen.processes];
    for (const trouble of isSeen ? [] : all) tell(caller, "error", describeTrouble(trouble));
    return all;
  }

  /** Something has happened to a process of a server. */
  readonly processEvent: ProcessEventListener = (server, record, event) => {
    const state = stateOfStopped(record);
    const trouble = event.is === "failed" ? troubleOf(server, state) : undefined;
    const isForAll = event.is === "failed" && isProgramMissing(state);
    this.#enqueue(async () => {
      for (const session of this.#viewersOf(server)) {
        const told = this.#toldTo(session);
        // Before its directory is looked up: most processes start without having failed.
        if (event.is !== "failed" && told.get(server)?.about !== "process") continue;
        if (!isForAll && !concerns(record.audience, session, await placeOf(session))) continue;
        const known = told.get(server);
        if (event.is === "failed") {
          if (known || !trouble) continue;
          told.set(server, { about: "process", hadStarted: event.hadStarted });
          tell(session, event.hadStarted ? "warning" : "error", describeTrouble(trouble));
        } else if (known?.about === "process" && (event.is === "answered" || !known.hadStarted)) {
          told.delete(server);
          tell(session, "notice", `server "${server}" works again`);
        }
      }
    });
  };

  /** The configuration was read again. */
  entriesChanged(mounted: ReadonlySet<string>): void {
    const troubles = new Map(
      this.#options.troubles.ofEntries().map((trouble) => [keyOf(trouble.server), trouble]),
    );
    for (const session of this.#options.sessions) {
      if (session.revision === undefined) continue;
      for (const trouble of troubles.values()) this.#tellOfEntry(session, trouble);
      const told = this.#toldTo(session);
      for (const [key, known] of told) {
        if (known.about !== "entry" || troubles.has(key)) continue;
        told.delete(key);
        const { server } = known;
        // One that was taken out or switched off does not work again.
        if (server !== undefined && !mounted.has(server)) continue;
        const subject = server === undefined ? "mcp.json" : `the entry of server "${server}" in mcp.json`;
        tell(session, "notice", `${server ?? subject} works again: ${subject} has no fault any more`);
      }
    }
  }

  #tellOfEntry(session: Session, trouble: ServerTrouble): void {
    const { server } = trouble;
    const isConcerned = server === undefined
      ? session.server === undefined
      : isFor(session, server) && this.#options.sees(session, server);
    if (!isConcerned) return;
    const told = this.#toldTo(session);
    const text = describeTrouble(trouble);
    const known = told.get(keyOf(server));
    if (known?.about === "entry" && known.text === text) return;
    told.set(keyOf(server), { about: "entry", server, text });
    tell(session, "error", text);
  }

  #viewersOf(server: string): Session[] {
    return Array.from(this.#options.sessions).filter((session) =>
      session.revision !== undefined && isFor(session, server) && this.#options.sees(session, server)
    );
  }

  #toldTo(caller: Caller): Map<string, Told> {
    let told = this.#told.get(caller);
    if (!told) this.#told.set(caller, told = new Map());
    return told;
  }

  #enqueue(work: () => Promise<void>): void {
    this.#last = this.#last.then(work).catch((thrown) => log.error("a notice failed: {thrown}", { thrown }));
  }
}

/** Whether the window is one of the merged catalog, or of this server alone. */
function isFor(session: Session, server: string): boolean {
  return session.server === undefined || session.server === server;
}

function tell(session: Caller, level: "notice" | "warning" | "error", data: string): void {
  session.notify("notifications/message", { level, logger: "exai", data });
}

/** Where a window works, as far as it is known without asking its client. */
async function placeOf(session: Session): Promise<KnownPlace> {
  return await knownPlaceOf(session, session.rootsState === "known" ? await session.roots() : undefined);
}
