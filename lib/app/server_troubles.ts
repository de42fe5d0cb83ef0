import type { Caller } from "../call/call.ts";
import type { ServerTrouble } from "../call/server_trouble.ts";
import type { ServersChange } from "../config/servers_watch.ts";
import { isQualifiedBy } from "../router/names.ts";
import type { MountedServer } from "../upstream/mounted_server.ts";
import { concerns, type KnownPlace, knownPlaceOf } from "../upstream/audience.ts";
import {
  causeOf,
  directoryTrouble,
  isProgramMissing,
  stateOfEntry,
  stateOfStopped,
  troubleOf,
} from "../upstream/server_state.ts";

interface TroubleSources {
  servers(): readonly MountedServer[];
  /** What the configuration says now. */
  configured(): Pick<ServersChange, "faulty" | "disabled" | "faults">;
  /** Whether the server had the tool when it ran last. */
  hadTool(server: string, tool: string): boolean;
}

/** What is wrong for one window, in a fixed order. */
interface WindowTroubles {
  /** With the configuration. */
  entries: readonly ServerTrouble[];
  /** With processes. */
  processes: readonly ServerTrouble[];
}

/** What is wrong with the configured servers, and which windows it concerns. */
export class ServerTroubles {
  readonly #sources: TroubleSources;

  constructor(sources: TroubleSources) {
    this.#sources = sources;
  }

  /** What is wrong with the configuration; it concerns every window. */
  ofEntries(): ServerTrouble[] {
    const { faulty, faults } = this.#sources.configured();
    const ofFile = faults.filter(({ server }) => server === undefined);
    const entries = faulty.flatMap((entry) => troubleOf(entry.name, stateOfEntry(entry)) ?? []);
    const advice = "correct the file; it is read again when it is saved";
    const whole = ofFile.length === 0 ? [] : [{ server: undefined, cause: causeOf(ofFile), advice }];
    return [...whole, ...entries.sort((a, b) => a.server! < b.server! ? -1 : 1)];
  }

  /** What is wrong for `caller`, whose working directory is all that is known of its place. */
  async of(caller: Caller): Promise<WindowTroubles> {
    const servers = this.#sources.servers();
    const place = await knownPlaceOf(caller, undefined);
    const processes = servers.flatMap((server) => this.#ofServer(server, caller, place));
    const isForIt = ({ server }: ServerTrouble) => caller.server === undefined || server === caller.server;
    return { entries: this.ofEntries().filter(isForIt), processes: processes.filter(isForIt) };
  }

  #ofServer({ name, config, records }: MountedServer, caller: Caller, place: KnownPlace): ServerTrouble[] {
    const own = Array.from(records).filter(({ audience }) => concerns(audience, caller, place));
    if (own.some(({ supervisor }) => supervisor.connection.state === "ready")) return [];
    const missing = Array.from(records).filter((record) => isProgramMissing(stateOfStopped(record)));
    for (const record of [...own, ...missing]) {
      const trouble = troubleOf(name, stateOfStopped(record));
      if (trouble) return [trouble];
    }
    // A client with roots may still name a directory.
    const state = caller.capabilities.roots === undefined && directoryTrouble(config, place.workspace);
    return state ? [troubleOf(name, state)!] : [];
  }

  /** Why the configured server `name` is not mounted; undefined when it is, or there is none. */
  whyUnmounted(name: string): ServerTrouble | undefined {
    if (this.#sources.servers().some((server) => server.name === name)) return undefined;
    const { faulty, disabled } = this.#sources.configured();
    const entry = faulty.find((entry) => entry.name === name);
    if (entry) return troubleOf(name, stateOfEntry(entry));
    return disabled.includes(name) ? troubleOf(name, { is: "disabled" }) : undefined;
  }

  /** The trouble of the server that is not mounted and has the tool `tool`: `server__name`, or one it had last. */
  ofTool(tool: string): ServerTrouble | undefined {
    const { faulty, disabled } = this.#sources.configured();
    const names = [...faulty.map(({ name }) => name), ...disabled].sort();
    // The longest first: a name may begin with another and "__".
    const named = names.filter((name) => isQualifiedBy(name, tool)).sort((a, b) => b.length - a.length);
    const having = () => names.find((name) => this.#sources.hadTool(name, tool));
    const server = named[0] ?? having();
    return server === undefined ? undefined : this.whyUnmounted(server);
  }
}
