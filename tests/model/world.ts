import { delay } from "@std/async/delay";
import { freeOnAbort, withTimeout } from "../../lib/admission/policies.ts";
import type { Server } from "../../lib/call/server.ts";
import { Admissions } from "../../lib/app/admissions.ts";
import { defaultSettings } from "../../lib/config/load.ts";
import { Challenge } from "../../lib/edge/challenge.ts";
import { Router } from "../../lib/router/router.ts";
import type { AttachHooks } from "../../lib/session/hello.ts";
import { SessionRegistry } from "../../lib/session/registry.ts";
import { sharingFaults } from "./sharing.ts";
import { cancelFaults, faultsOf, listFaults } from "./answers.ts";
import { LOG_LEVELS } from "../../lib/wire/mcp.ts";
import { turn } from "./channel.ts";
import { taskBegunBy } from "./sent.ts";
import { IDLE_STOP_MS, type ModelProcess, ModelServer, placeOf, USUAL_LEVEL, WORKSPACES } from "./server.ts";
import { ModelWindow, type WindowOptions } from "./window.ts";

const MAX_FRAME_BYTES = 1024 * 1024;
const CALL_TIMEOUT_MS = 20_000;
/** Of the one server that leaves calls without an answer. */
export const SHORT_TIMEOUT_MS = 100;
/** Servers are killed here all the time, and must go on being called: nothing is left alone. */
const LIMITS = { sessionMaxInflight: 100, globalMaxInflight: 1000, queueMax: 1000, breakerFailures: 0 };
/** Few enough that calls of the one server that has a limit wait for one another. */
const MAX_INFLIGHT = 3;
/** Far longer than anything should take here, on a machine that does other things too. */
let settleMs = 10_000;

/** From here on histories are only made shorter, and most that are tried will have to be waited for. */
export function hurry(): void {
  settleMs = 4000;
}

/** Of one thing windows are told at most so often. */
const NOTICE_PAUSE_MS = 110;

const TOOLS_CHANGED = "notifications/tools/list_changed";
const SUBSCRIBE = "resources/subscribe";

/** What is owed to a window that was subscribed when a resource was updated: more than so many notices. */
interface Owed {
  window: ModelWindow;
  server: ModelServer;
  heard: number;
}

/** Where one server works. */
export interface Place {
  server: ModelServer;
  place: string;
}

/** The daemon's sessions, router, admission and mounted servers in memory, with windows and servers around them. */
export class World {
  readonly windows: ModelWindow[] = [];
  readonly servers: readonly ModelServer[];
  readonly #admissions = new Admissions({ ...defaultSettings(), ...LIMITS }, () => {});
  readonly #registry: SessionRegistry;
  readonly #hooks: AttachHooks;
  #owed: Owed[] = [];
  readonly #timesUp: string[] = [];

  constructor() {
    const common = {
      admissionFor: this.#admissions.ofProcess,
      onListChanged: () => router.invalidate(),
    };
    this.servers = [
      new ModelServer({ ...common, name: "s0", share: "machine" }),
      new ModelServer({ ...common, name: "s1", share: "project", maxInflight: MAX_INFLIGHT }),
      new ModelServer({ ...common, name: "s2", share: "session" }),
      new ModelServer({ ...common, name: "s3", share: "project", callTimeoutMs: SHORT_TIMEOUT_MS }),
    ];
    const router = this.#makeRouter();
    this.#registry = new SessionRegistry({
      resumeWindowMs: 60_000,
      idleMs: 0,
      maxFrameBytes: MAX_FRAME_BYTES,
      onEnd: (session) => router.detach(session),
    });
    this.#hooks = {
      registry: this.#registry,
      target: router.target,
      helloTimeoutMs: 60_000,
      daemon: { version: "1", pid: 1 },
      limits: { max_bytes: MAX_FRAME_BYTES, session_max_inflight: 100, call_timeout_ms: CALL_TIMEOUT_MS },
      daemonId: "model",
      authenticate: () => true,
      challenge: (asked) => new Challenge([], asked),
      command: () => Promise.resolve(Response.json({})),
      health: () => Promise.resolve({}),
      rotateToken: () => Promise.resolve(false),
      onNotification: (session, method, params) => router.notify(session, method, params),
    };
  }

  #makeRouter(): Router {
    const timeout = ({ callTimeoutMs }: Server) => withTimeout(callTimeoutMs ?? CALL_TIMEOUT_MS);
    return new Router({
      servers: () => this.servers.map(({ mounted }) => mounted),
      serverInfo: { name: "model", version: "1" },
      policies: [],
      policiesFor: (server) => [timeout(server), this.#admissions.bound.policy],
      queryPoliciesFor: (server) => [timeout(server), freeOnAbort()],
      listDeadlineMs: 5000,
    });
  }

  open(options: Omit<WindowOptions, "name">): void {
    const name = `w${this.windows.length}`;
    const window = new ModelWindow({ ...options, name }, this.#hooks);
    this.windows.push(window);
    window.connect();
  }

  get present(): ModelWindow[] {
    return this.windows.filter(({ state }) => state !== "closed");
  }

  update(server: ModelServer): void {
    for (const window of this.present) {
      if (window.mayHearOf(server)) window.notices.updateMayCome(server);
      if (!window.subscribed.has(server.uri)) continue;
      this.#owed.push({ window, server, heard: countOf(window, server) });
    }
    server.update();
  }

  addTool({ server, place }: Place): void {
    for (const window of this.#windowsAt({ server, place })) window.notices.toolsMayDiffer();
    server.addTool(place);
  }

  #windowsAt({ server, place }: Place): ModelWindow[] {
    return this.present.filter((window) => window.placeAt(server) === place);
  }

  /** A window that gives up a subscription is owed nothing by it any more. */
  unsubscribe(window: ModelWindow, server: ModelServer): void {
    this.#owed = this.#owed.filter((owed) => owed.window !== window || owed.server !== server);
    window.unsubscribe(server);
  }

  async kill({ server, place }: Place): Promise<void> {
    const windows = this.#windowsAt({ server, place });
    const struck = windows.flatMap(({ pending }) => pending).filter((sent) => sent.server === server);
    for (const sent of struck) sent.isCutOff = true;
    for (const window of windows) {
      if (window.mayHearOf(server)) window.notices.processMayDiffer(server);
    }
    await server.kill(place);
  }

  /** Lets everything come to its end, and says what is not as it should be. */
  async faults(): Promise<string[]> {
    await turn();
    for (const window of this.present) {
      if (window.state === "cut") window.connect();
      else window.flow();
    }
    await turn();
    const questionFaults = await this.#questionFaults();
    await this.#settled();
    // Whatever happened before, every server serves every window now.
    for (const { alive } of this.servers) for (const process of alive) process.lastCallers.clear();
    for (const window of this.present) for (const server of this.servers) window.call(server, "ok");
    await this.#settled();
    const taskFaults = await this.#taskFaults();
    const updateFaults = await this.#updateFaults();
    const faults = [
      ...this.windows.flatMap(({ faults, notices }) => [...faults, ...notices.faults]),
      ...this.windows.flatMap((window) => window.sent.flatMap((sent) => faultsOf(window, sent))),
      ...questionFaults,
      ...updateFaults,
      ...taskFaults,
      ...await this.#logFaults(),
      ...await this.#listFaults(),
      ...await this.#changeFaults(),
      ...this.servers.flatMap(sharingFaults),
    ];
    return [...faults, ...await this.#endFaults(), ...this.#timesUp];
  }

  /** Nobody is left with a question whose server is gone. */
  async #questionFaults(): Promise<string[]> {
    const left = () =>
      this.present.flatMap((window) =>
        window.questions.filter(({ sent }) => sent.isCutOff).map(({ sent }) => ({ window, sent }))
      );
    await this.#until("questions that are over are withdrawn", () => left().length === 0);
    return left().map(({ window, sent }) => `${window.name} is still asked about ${sent.tag}, which is over`);
  }

  /** Every window sees all its tasks and no others', and gets the result of each. */
  async #taskFaults(): Promise<string[]> {
    // A process that nobody keeps ends.
    await delay(2 * IDLE_STOP_MS);
    const lists = this.present.map((window) => ({ window, listed: window.request("tasks/list", {}) }));
    await this.#settled();
    const faults = [
      ...lists.flatMap(({ window, listed }) => listFaults(window, listed)),
      ...this.windows.flatMap(cancelFaults),
    ];
    for (const window of this.present) {
      for (const begun of window.begun) window.aboutTask("result", taskBegunBy(begun)!);
    }
    await this.#settled();
    return faults;
  }

  async #settled(): Promise<void> {
    await this.#until("every request is answered", () => {
      // Again and again: what waited for its turn may be held in its turn.
      for (const server of this.servers) if (!server.callTimeoutMs) server.release();
      for (const window of this.present) window.answerQuestions();
      return this.present.every(({ pending }) => pending.length === 0);
    });
    for (const server of this.servers) server.release();
  }

  /**
   * An update has reached every window that was subscribed, also one that was cut off. When all is quiet it reaches each
   * of them once, and no other.
   */
  async #updateFaults(): Promise<string[]> {
    const before = await this.#unpaid();
    await delay(NOTICE_PAUSE_MS);
    const last = this.present.flatMap((window) =>
      this.servers.filter(({ uri }) => !window.unsure.has(uri))
        .map((server) => ({ window, server, heard: countOf(window, server) }))
    );
    for (const server of this.servers) this.update(server);
    const after = await this.#unpaid();
    await delay(NOTICE_PAUSE_MS);
    const wrong = last.flatMap(({ window, server, heard }) => {
      const times = countOf(window, server) - heard;
      if (times === (window.subscribed.has(server.uri) ? 1 : 0)) return [];
      return [`${window.name} was told ${times} times of one update of ${server.uri}`];
    });
    return [
      ...[...before, ...after].map(({ window, server }) => `${window.name} was not told of ${server.uri}`),
      ...wrong,
      ...this.#subscriptionFaults(),
    ];
  }

  /**
   * A process tells of its resource only while a window wants to hear of it. Whether it does when the window has gone
   * that was about to subscribe, nobody knows.
   */
  #subscriptionFaults(): string[] {
    return this.servers.flatMap((server) => {
      const { name, uri, alive } = server;
      const isWanted = this.windows.some(({ subscribed, unsure, state, sent }) =>
        state === "closed"
          ? sent.some(({ method, tag, isCancelled }) => isCancelled && method === SUBSCRIBE && tag === uri)
          : subscribed.has(uri) || unsure.has(uri)
      );
      return !isWanted && alive.some(({ isSubscribed }) => isSubscribed)
        ? [`${name} is still subscribed to`]
        : [];
    });
  }

  /** Waits for what windows are owed, and gives what they did not get. */
  async #unpaid(): Promise<Owed[]> {
    const isOwed = ({ window, server, heard }: Owed) =>
      window.state !== "closed" && countOf(window, server) <= heard;
    await this.#until("updates are told", () => !this.#owed.some(isOwed));
    const unpaid = this.#owed.filter(isOwed);
    this.#owed = [];
    return unpaid;
  }

  /**
   * Each process is told how much the most curious of its windows wants to hear, once any has said so; the others want
   * what it sends by itself.
   */
  async #logFaults(): Promise<string[]> {
    const wrong = () =>
      this.servers.flatMap((server) => server.alive.flatMap((process) => this.#levelFaults(server, process)));
    await this.#until("servers know the log level", () => wrong().length === 0);
    return [...wrong(), ...await this.#lineFaults()];
  }

  #levelFaults({ name }: ModelServer, process: ModelProcess): string[] {
    const served = this.present.filter((window) => process.lastCallers.has(window.name));
    const isAsked = process.level !== undefined || served.some(({ level }) => level !== undefined);
    if (served.length === 0 || !isAsked) return [];
    const wanted = Math.min(...served.map(({ level }) => LOG_LEVELS.indexOf(level ?? USUAL_LEVEL)));
    if (process.level !== undefined && LOG_LEVELS.indexOf(process.level) === wanted) return [];
    const levels = served.map(({ name, level }) => `${name} ${level ?? "all"}`).join(", ");
    return [`${name} was told ${process.level}; its windows want ${levels}`];
  }

  /** What a server says that one window has for itself arrives, if it is wanted. */
  async #lineFaults(): Promise<string[]> {
    const own = this.servers.filter(({ share }) => share === "session");
    const calls = this.present.flatMap((window) =>
      own.map((server) => ({ window, sent: window.call(server, "log") }))
    );
    await this.#settled();
    return calls.flatMap(({ window, sent }) => faultsOf(window, sent));
  }

  /** Every window sees in the end what every server offers by now where the window works, each tool once. */
  async #listFaults(): Promise<string[]> {
    const offered = (window: ModelWindow) => {
      const tools = this.servers.flatMap((server) => server.toolsIn(window.placeAt(server)));
      return [...new Set(tools)].sort().join();
    };
    const shown = async (window: ModelWindow) => {
      const sent = window.request("tools/list", {});
      await this.#until("tools are listed", () => sent.answers.length > 0);
      const { tools = [] } = (sent.answers[0]?.result ?? {}) as { tools?: { name: string }[] };
      return tools.map(({ name }) => name).sort().join();
    };
    const checks = this.present.map(async (window) => {
      const expected = offered(window);
      let last = "";
      await this.#until("tools are shown", async () => (last = await shown(window)) === expected);
      return last === expected ? [] : [`${window.name} is shown ${last}, not ${expected}`];
    });
    return (await Promise.all(checks)).flat();
  }

  /** A server that offers more in one directory tells the windows there, and no others. */
  async #changeFaults(): Promise<string[]> {
    const place = placeOf(WORKSPACES[0]!);
    const told = (window: ModelWindow) => window.notices.changes.get(TOOLS_CHANGED) ?? 0;
    await this.#stopElsewhere(place);
    const before = new Map(this.present.map((window) => [window, told(window)]));
    const isThere = ({ workspace }: ModelWindow) => placeOf(workspace) === place;
    const missed = () =>
      this.present.filter((window) => isThere(window) && told(window) === before.get(window));
    for (const server of this.servers) if (server.share === "project") this.addTool({ server, place });
    await this.#until("changed lists are told", () => missed().length === 0);
    const others = this.present.filter((window) => !isThere(window) && told(window) !== before.get(window));
    return [
      ...missed().map(({ name }) => `${name} was not told that lists have changed`),
      ...others.map(({ name }) => `${name} was told that lists of another directory have changed`),
      ...await this.#listFaults(),
    ];
  }

  /** No process runs but in `place`; windows elsewhere have seen what was there. */
  async #stopElsewhere(place: string): Promise<void> {
    const elsewhere = WORKSPACES.map(placeOf).filter((one) => one !== place);
    for (const server of this.servers) {
      if (server.share === "project") { for (const place of elsewhere) await this.kill({ server, place }); }
    }
    this.#timesUp.push(...await this.#listFaults());
  }

  /** When the last window has gone, so has everything that was there for it. */
  async #endFaults(): Promise<string[]> {
    for (const window of this.present) window.close();
    const { permits, bound } = this.#admissions;
    const left = () => [
      ...(this.#registry.size > 0 ? [`${this.#registry.size} sessions are left`] : []),
      ...(permits.held > 0 ? [`${permits.held} permits are held`] : []),
      ...(permits.waiting > 0 ? [`${permits.waiting} calls wait for a permit`] : []),
      ...(bound.size > 0 ? [`${bound.size} calls are counted that are over`] : []),
      ...this.servers.flatMap(({ name, mounted }) =>
        Array.from(mounted.records).flatMap(({ admission: { running, waiting } }) =>
          running + waiting > 0 ? [`${name}: ${running} places are held, ${waiting} calls wait for one`] : []
        )
      ),
      ...this.servers.flatMap(({ name, alive }) =>
        alive.length > 0 ? [`${name}: ${alive.length} processes run`] : []
      ),
    ];
    await this.#until("all ends", () => left().length === 0);
    return left();
  }

  /** Polls until `isSo`, for as long as anything may take; that the time was up is a fault. */
  async #until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
    const endMs = performance.now() + settleMs;
    while (!await isSo()) {
      if (performance.now() >= endMs) return void this.#timesUp.push(`waited in vain until ${what}`);
      await delay(1);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#registry[Symbol.dispose]();
    await Promise.all(this.servers.map((server) => server[Symbol.asyncDispose]()));
  }
}

function countOf(window: ModelWindow, server: ModelServer): number {
  return window.notices.updates.get(server.uri) ?? 0;
}
