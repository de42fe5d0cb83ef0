import { delay } from "@std/async/delay";
import { httpRoutes, watchFeed } from "../admin/http_routes.ts";
import { StopRequest } from "../admin/stop_route.ts";
import type { Telemetry } from "../admin/telemetry.ts";
import type { WatchFeed } from "../admin/watch_feed.ts";
import { Drain } from "../admission/policies.ts";
import { resolvedWithin } from "../base/abort.ts";
import type { ByteBudget } from "../base/byte_budget.ts";
import type { JsonObject } from "../base/json.ts";
import { SECOND_MS } from "../base/units.ts";
import type { Server } from "../call/server.ts";
import type { Settings } from "../config/settings.ts";
import type { HttpRequestHandler } from "../edge/request_context.ts";
import type { RefusalReason } from "../edge/connection_limits.ts";
import { Guard } from "../edge/guard.ts";
import { HttpHandler } from "../edge/http_handler.ts";
import type { Listeners } from "../edge/listeners.ts";
import { MemoryReclaimer } from "../observe/memory_reclaimer.ts";
import { servedPage } from "../page/routes.ts";
import { processMemory } from "../process/process_table.ts";
import { RoundTrips } from "../round_trips/round_trips.ts";
import { Router } from "../router/router.ts";
import { attachExai, type AttachHooks, attachMcp } from "../session/hello.ts";
import { openHttpSession } from "../session/http_session.ts";
import { SessionRegistry } from "../session/registry.ts";
import { EndpointFile } from "../state/endpoint_file.ts";
import { findWorkspace } from "../workspace/find_workspace.ts";
import { attachHooks } from "./attach_hooks.ts";
import { callPolicies } from "./call_policies.ts";
import { CallTimeouts } from "./call_timeouts.ts";
import { connectEvents } from "./connect_events.ts";
import { type DaemonOptions, type DaemonParts, openParts } from "./daemon_parts.ts";
import { DAEMON_IDENTITY, Handover } from "./handover.ts";
import { openMemoryBudget } from "./memory_budget.ts";
import type { OwnServer } from "./own_server.ts";
import { reportHealth } from "./report_health.ts";
import { ServerNotices } from "./server_notices.ts";
import { implicitSessions, modernPeers, registryLimits, SERVER_INFO } from "./session_parts.ts";
import { viewOf } from "./shown_tools.ts";

/** How long a server may take to answer a request that others could answer too. */
const ANSWER_DEADLINE_MS = 5 * SECOND_MS;

/** How long clients may take to answer the close frame when the daemon stops. */
const CLOSE_GRACE_MS = SECOND_MS;

/** One running daemon: every part, connected. */
export class Daemon implements AsyncDisposable {
  readonly stopRequest: StopRequest;
  /** Ends it in favour of a newer daemon. */
  readonly handover: Handover;
  readonly #settings: Settings;
  readonly #listeners: Listeners;
  readonly #telemetry: Telemetry;
  readonly #own: OwnServer;
  readonly #timeouts: CallTimeouts;
  readonly #sessions: SessionRegistry;
  readonly #drain = new Drain();
  readonly #roundTrips: RoundTrips;
  readonly #notices: ServerNotices;
  readonly #watch: WatchFeed;
  readonly #handler: HttpHandler;
  #stack = new AsyncDisposableStack();
  #stopped: Promise<void> | undefined;

  private constructor(options: DaemonOptions, parts: DaemonParts) {
    const { settings } = options;
    const { telemetry, own, mounts, events } = parts;
    this.#settings = settings;
    this.stopRequest = new StopRequest(settings, options.paths);
    this.#listeners = parts.listeners;
    this.#telemetry = telemetry;
    this.#own = own;
    const budget = openMemoryBudget(settings, () => telemetry.healthChanged());
    this.#timeouts = new CallTimeouts(settings, own.server, { records: parts.tasks, budget });
    this.#roundTrips = new RoundTrips({ key: parts.stateKey, budget, usedStates: parts.usedStates });
    this.handover = new Handover({
      drain: this.#drain,
      timeouts: this.#timeouts,
      servers: () => [...mounts.servers, ...mounts.retiring],
    });
    const servers = () =>
      this.#timeouts.withAwaiting([own.server, ...mounts.shown, ...(options.servers ?? [])]);
    const router = this.#createRouter(servers, parts);
    this.#sessions = new SessionRegistry({
      ...registryLimits(settings),
      findWorkspace,
      budget,
      journal: parts.journal,
      listChanges: router.listChanges,
      onStart: () => telemetry.healthChanged(),
      onEnd: (session) => events.emit("sessionEnded", session),
    });
    this.#notices = new ServerNotices({
      sessions: this.#sessions,
      troubles: mounts.troubles,
      sees: (caller, server) => router.sees(caller, server),
    });
    const guard = new Guard({ ...settings, token: parts.token });
    const target = this.#drain.guard(parts.calls.recordShown(router.target));
    const hooks = attachHooks(options, parts, {
      registry: this.#sessions,
      target,
      guard,
      modernPeer: modernPeers(target, { events, roundTrips: this.#roundTrips, tasks: this.#timeouts.tasks }),
      command: (command) => this.#handler.command(command),
      onNotification: (...notification) => router.notify(...notification),
    });
    this.#watch = watchFeed({ ...parts, ...this.#running(router) }, processMemory);
    this.#handler = this.#createHandler(parts, { guard, hooks, budget, servers, router });
    connectEvents(parts, {
      router,
      sessions: this.#sessions,
      timeouts: this.#timeouts,
      notices: this.#notices,
    });
    reportHealth(options, parts, {
      budget,
      listChanges: router.changeCounts,
      handler: this.#handler,
      sessions: this.#sessions,
      toolCount: () => this.toolCount,
    });
  }

  /**
   * Starts a daemon; when it resolves, the daemon answers. Requests that arrive before wait.
   *
   * @throws {ExaiError} `CONFIG`, with what to do: the address is taken, the state directory cannot be used
   */
  static async start(options: DaemonOptions): Promise<Daemon> {
    await using stack = new AsyncDisposableStack();
    const parts = await openParts(options, stack);
    const daemon = new Daemon(options, parts);
    const { listeners, startup, telemetry, admissions } = parts;
    for (const part of [telemetry, daemon.#timeouts, daemon.#roundTrips]) stack.use(part);
    stack.use(new MemoryReclaimer({ isBusy: () => admissions.permits.held > 0 }));
    // Before the first answer: the file still names the previous daemon.
    const { url, socket } = daemon;
    const address = { url, instead_of: listeners.insteadOfPort, socket };
    stack.use(
      await EndpointFile.write(options.paths.endpoint, { ...address, ...DAEMON_IDENTITY }),
    );
    startup.setHandler(daemon.handler);
    await listeners.probe();
    daemon.#handler.resetRefusals();
    telemetry.start();
    await parts.mounts.startReading();
    daemon.#stack = stack.move();
    return daemon;
  }

  /** How many tools EXAI itself offers, those the user has written included. */
  get toolCount(): number {
    return this.#own.toolNames.length;
  }

  /** The daemon's health, as `GET /health` shows it. */
  health(): JsonObject {
    return this.#telemetry.health();
  }

  /** Where clients connect: `ws://host:port/`. */
  get url(): string {
    return this.#listeners.url;
  }

  /** What is worth knowing of that address, each in a sentence. */
  get addressNotes(): readonly string[] {
    return this.#listeners.notes;
  }

  /** How often a connection was refused, by reason. */
  get refusals(): Readonly<Record<RefusalReason, number>> {
    return this.#handler.refusals;
  }

  /** Handles the requests of every listener. */
  get handler(): HttpRequestHandler {
    return this.#handler.handle;
  }

  /** The Unix socket or named pipe that clients of this machine may use instead of the address. */
  get socket(): string | undefined {
    return this.#listeners.socket;
  }

  /**
   * Stops: refuses new calls, lets running ones finish for `EXAI_DRAIN_TIMEOUT`, notifies the clients, and closes
   * everything. Each call resolves when all of that is done.
   */
  stop({ maxDrainMs = Infinity }: { maxDrainMs?: number } = {}): Promise<void> {
    return this.#stopped ??= this.#stop(Math.min(maxDrainMs, this.#settings.drainTimeoutMs));
  }

  async #stop(drainMs: number): Promise<void> {
    this.handover.stop();
    const done = Promise.all([this.#drain.close(), this.#timeouts.idle()]);
    await resolvedWithin(done, drainMs);
    this.#timeouts.tasks.leave();
    this.#sessions.endListens();
    // The answers of the last calls are sent in this turn; a server that shuts down closes its connections at once.
    await delay(0);
    this.#watch[Symbol.dispose]();
    // Before the connections, so that closing them is not treated as the clients ending their sessions.
    this.#sessions[Symbol.dispose]();
    this.#handler.closeAll("the daemon is stopping");
    // A client that does not answer the close frame is not waited for.
    await resolvedWithin(this.#listeners.stop(), CLOSE_GRACE_MS);
    await this.#stack.disposeAsync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** What the routes show of a running daemon beside its parts. */
  #running(router: Router) {
    return {
      address: () => ({ url: this.url, notes: [...this.addressNotes] }),
      sessions: this.#sessions,
      listChanges: router.changeCounts,
    };
  }

  #createRouter(
    servers: () => readonly Server[],
    { recording, own, mounts, admissions }: DaemonParts,
  ): Router {
    const [settings, timeouts] = [this.#settings, this.#timeouts];
    return new Router({
      servers,
      serverInfo: SERVER_INFO,
      instructionsFor: (caller) => own.server.instructionsFor(caller),
      ...callPolicies({ record: recording, admissions, timeouts, own: own.server }),
      listDeadlineMs: settings.listWaitMs,
      answerDeadlineMs: ANSWER_DEADLINE_MS,
      ...viewOf(settings, { own, mounts }),
      hidesOutputSchemas: (server) => timeouts.hidesOutputSchema(server),
      names: mounts.names,
      troublesOf: (caller, options) => this.#notices.atStart(caller, options),
      unmounted: mounts.troubles,
      answerTask: (call) => timeouts.tasks.answer(call),
    });
  }

  /** The handler of all requests, with the routes of the HTTP interface. */
  #createHandler(
    parts: DaemonParts,
    { guard, hooks, budget, servers, router }: {
      guard: Guard;
      hooks: AttachHooks;
      budget: ByteBudget;
      servers(): readonly Server[];
      router: Router;
    },
  ): HttpHandler {
    const settings = this.#settings;
    const { mounts } = parts;
    const page = servedPage(parts.token);
    const implicit = implicitSessions(hooks, router, settings);
    return new HttpHandler({
      ...settings,
      budget,
      handles: parts.handles,
      guard,
      daemonId: mounts.daemonId,
      users: parts.users,
      routes: new Map([
        ...httpRoutes({
          ...parts,
          ...page,
          ...this.#running(router),
          watch: this.#watch,
          settings: parts.live,
          toolsFor: (caller) => router.tools.allTools(caller),
          handover: this.handover,
          stopRequest: this.stopRequest,
        }),
        ...page.ownerRoutes,
      ]),
      ...page,
      serverNames: () => servers().map(({ name }) => name),
      whyNoServer: (name) => mounts.troubles.whyUnmounted(name),
      onExai: (channel, context) => attachExai(channel, hooks, context),
      onMcp: (channel, options) => attachMcp(channel, hooks, options),
      openHttp: (client) => openHttpSession(hooks, { ...client, maxQueuedBytes: settings.maxQueuedBytes }),
      openModern: (client) => implicit.of(client),
    });
  }
}
