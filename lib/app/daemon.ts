import { delay } from "@std/async/delay";
import { Drain } from "../admission/drain.ts";
import { unlessLate } from "../base/abort.ts";
import type { ByteBudget } from "../base/byte_budget.ts";
import type { JsonObject } from "../base/json.ts";
import { SECOND_MS } from "../base/units.ts";
import { VERSION } from "../base/version.ts";
import type { StatePaths } from "../config/paths.ts";
import type { Settings } from "../config/settings.ts";
import type { RefusalReason } from "../edge/connection_limits.ts";
import type { HttpRequestHandler } from "../edge/arrival.ts";
import { Challenge } from "../edge/challenge.ts";
import { HttpHandler } from "../edge/http_handler.ts";
import { HandleBudget } from "../edge/handle_budget.ts";
import { Guard } from "../edge/guard.ts";
import { StartupQueue } from "../edge/startup_queue.ts";
import { Router } from "../router/router.ts";
import { attachExai, type AttachHooks, attachMcp } from "../session/hello.ts";
import { openHttpSession } from "../session/http_session.ts";
import { SessionRegistry } from "../session/registry.ts";
import { PeerUsers } from "../transport/peer_user.ts";
import { INSTRUCTIONS } from "../tool/instructions.ts";
import type { Admissions } from "./admissions.ts";
import type { DaemonOptions } from "./daemon_options.ts";
import { Listeners } from "../edge/listeners.ts";
import { HomeLock } from "../state/home_lock.ts";
import { httpRoutes } from "../admin/http_routes.ts";
import { memoryFault, memoryHeld, openMemoryBudget } from "./memory_budget.ts";
import { EndpointFile } from "../state/endpoint_file.ts";
import { checkPeers } from "../edge/exposure.ts";
import { type DaemonParts, openParts } from "./daemon_parts.ts";
import { Observation } from "../admin/observation.ts";
import { MemoryReturn } from "../observe/memory_return.ts";
import type { OwnServer } from "./own_server.ts";
import { CallTimeouts } from "./call_timeouts.ts";
import { serverPolicies } from "./server_policies.ts";
import { findWorkspace } from "../workspace/find_workspace.ts";
import { announceServers, announceToolSets, viewOf } from "./shown_tools.ts";
import { ensureStateDir } from "../state/state_files.ts";
import type { TokenKeeper } from "../edge/token.ts";

/** How long one server may take for a list before the merged list is given without it. */
const LIST_DEADLINE_MS = 5 * SECOND_MS;

/** Requests of a session that need no permit, beside those that run and wait for one. */
const SPARE_REQUESTS = 256;

/** How long clients may take to answer the close frame when the daemon stops. */
const CLOSE_GRACE_MS = SECOND_MS;

/** One running daemon: every part, wired up. */
export class Daemon implements AsyncDisposable {
  readonly #own: OwnServer;
  readonly #settings: Settings;
  readonly #drain: Drain;
  readonly #registry: SessionRegistry;
  readonly #doors: HttpHandler;
  readonly #observation: Observation;
  readonly #front: Listeners;
  readonly #patience: CallTimeouts;
  #resources = new AsyncDisposableStack();

  private constructor(options: DaemonOptions, resources: DaemonParts) {
    const { settings } = options;
    const { token, own, mounts, journal, desk, clock, notes, users, handles, admissions, stack } = resources;
    this.#front = resources.front;
    this.#settings = settings;
    this.#own = own;
    this.#drain = new Drain();
    const budget = openMemoryBudget(settings, () => observation.changed());
    const observation = this.#observe(options, resources, { admissions, budget });
    notes.follow(clock, () => this.#registry.touchAll());
    resources.health.changed = () => observation.changed();
    own.observe(stack.use(observation));
    stack.use(new MemoryReturn({ isBusy: () => admissions.permits.held > 0 }));
    this.#registry = new SessionRegistry({
      ...registryLimits(settings),
      findWorkspace,
      budget,
      journal,
      onStart: () => observation.changed(),
      onEnd: (session) => {
        router.detach(session);
        mounts.detach(session);
        patience.forget(session);
        observation.changed();
      },
    });
    const patience = this.#patience = new CallTimeouts(settings, own.server, { budget });
    const servers = () => patience.withAwaiting([own.server, ...mounts.servers, ...(options.servers ?? [])]);
    const router = new Router({
      servers,
      serverInfo: { name: "exai", version: VERSION },
      instructions: INSTRUCTIONS,
      policies: [observation.policy],
      ...serverPolicies({ settings, admissions, patience, own: own.server }),
      listDeadlineMs: LIST_DEADLINE_MS,
      ...viewOf(settings, { own, mounts }),
      hidesOutputSchemas: (server) => patience.detaches(server),
    });
    const guard = new Guard({ ...settings, token });
    this.#announceChanges(router, resources);
    const hooks = this.#attachHooks({ router, guard, token, observation, mounts });
    this.#doors = new HttpHandler({
      ...settings,
      budget,
      handles,
      guard,
      daemonId: mounts.daemonId,
      users,
      routes: httpRoutes({ observation, mounts, own, token, desk, sessions: this.#registry }),
      serverNames: () => servers().map(({ name }) => name),
      onExai: (channel, gate) => attachExai(channel, hooks, gate),
      onMcp: (channel, options) => attachMcp(channel, hooks, options),
      onHttp: (client) => openHttpSession(hooks, { ...client, maxQueuedBytes: settings.maxQueuedBytes }),
    });
    this.#observation = observation;
  }

  /**
   * Starts a daemon; when it resolves, the daemon answers.
   *
   * The state directory is had before anything in it is touched, then the address, and only then the databases are
   * opened: who is one daemon too many must not come near them. Requests that come meanwhile wait.
   *
   * @throws {ExaiError} `CONFIG`, with what to do: the address is taken, the state directory cannot be used
   */
  static async start(options: DaemonOptions): Promise<Daemon> {
    const { settings, paths } = options;
    await using stack = new AsyncDisposableStack();
    await ensureStateDir(paths);
    const lock = options.lock ?? stack.use(await takeHome(paths));
    const users = stack.use(await PeerUsers.open());
    await checkPeers(settings, users);
    // Nobody keeps health before there is a daemon.
    const health = { changed: () => {} };
    const onchange = () => health.changed();
    const handles = stack.use(HandleBudget.ofProcess(onchange));
    const gate = new StartupQueue();
    const front = stack.use(
      await Listeners.open({ settings, paths, handler: gate.handle, handles, onchange }),
    );
    // Before the doors are closed, which waits for those who wait.
    stack.use(gate);
    const opened = await openParts(options, { lock, front, users, handles, health, stack });
    const daemon = new Daemon(options, opened);
    // Before anybody is answered: what the file says of the daemon before this one is wrong by then.
    const { url, socket } = daemon;
    stack.use(await EndpointFile.write(paths.endpoint, { url, socket, pid: Deno.pid, version: VERSION }));
    gate.open(daemon.handler);
    await front.probe();
    daemon.#doors.forgetRefusals();
    daemon.#observation.start();
    daemon.#resources = stack.move();
    return daemon;
  }

  /** How many tools EXAI itself offers, those the user has written among them. */
  get toolCount(): number {
    return this.#own.toolNames.length;
  }

  /** The daemon's health, as `GET /health` shows it. */
  health(): JsonObject {
    return this.#observation.health();
  }

  /** Where clients connect: `ws://host:port/`. */
  get url(): string {
    return this.#front.url;
  }

  /** How often somebody was turned away at a door, by reason. */
  get refusals(): Readonly<Record<RefusalReason, number>> {
    return this.#doors.refusals;
  }

  /** What answers at every door. */
  get handler(): HttpRequestHandler {
    return this.#doors.handle;
  }

  /** The Unix socket or named pipe clients of this machine can use in its place. */
  get socket(): string | undefined {
    return this.#front.socket;
  }

  /**
   * Stops: takes no new calls, lets running ones finish for `EXAI_DRAIN_TIMEOUT`, tells the clients, and goes.
   */
  async stop(): Promise<void> {
    const done = Promise.all([this.#drain.close(), this.#patience.idle()]);
    await unlessLate(done, this.#settings.drainTimeoutMs);
    // The answers of the last calls go out in this turn; a server that shuts down closes its connections at once.
    await delay(0);
    // First the sessions: that we close their connections must not pass for their clients' goodbye.
    this.#registry[Symbol.dispose]();
    this.#doors.closeAll("the daemon is stopping");
    const closed = this.#front.stop();
    // A client that does not answer the close frame must not keep the daemon.
    await unlessLate(closed, CLOSE_GRACE_MS);
    await this.#resources.disposeAsync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** Sessions are told when what they are shown is another now. */
  #announceChanges(router: Router, { mounts, own }: DaemonParts): void {
    mounts.onListChanged = () => router.invalidate();
    mounts.onServersChanged = (names) => {
      router.invalidate();
      announceServers(this.#registry, names);
    };
    mounts.onToolSetsChanged = (before) => announceToolSets(this.#registry, { before, now: mounts.toolSets });
    own.onToolsChanged = () => mounts.onServersChanged([own.server.name]);
  }

  /** What watches the daemon, with where it takes what it shows from. */
  #observe(options: DaemonOptions, resources: DaemonParts, parts: ObservedParts): Observation {
    const { lock, own, files, mounts, journal, desk, handles, notes } = resources;
    const { admissions, budget } = parts;
    return new Observation({
      files,
      desk,
      address: () => this.url,
      faults: () => [
        ...mounts.faults(),
        ...own.faults(),
        ...options.faults?.() ?? [],
        ...this.#front.faults(),
        ...[journal?.fault ?? [], memoryFault(budget) ?? [], handles.fault ?? [], lock.fault ?? []].flat(),
      ],
      notes: () => [...options.notes?.() ?? [], ...notes.list],
      counts: () => ({
        sessions: this.#registry.size,
        connections: this.#doors.connections,
        pending: this.#doors.pending,
        refused: this.#doors.refusals,
        inflight: admissions.permits.held,
        queued: admissions.waiting,
        tools: this.toolCount,
        held: memoryHeld(budget),
        handles: handles.state,
      }),
    });
  }

  #attachHooks(
    parts: {
      router: Router;
      guard: Guard;
      token: TokenKeeper;
      observation: Observation;
      mounts: DaemonParts["mounts"];
    },
  ): AttachHooks {
    const { maxFrameBytes, sessionMaxInflight, callTimeoutMs, helloTimeoutMs } = this.#settings;
    return {
      registry: this.#registry,
      target: this.#drain.guard(parts.router.target),
      helloTimeoutMs,
      daemon: { version: VERSION, pid: Deno.pid },
      limits: {
        max_bytes: maxFrameBytes,
        session_max_inflight: sessionMaxInflight,
        call_timeout_ms: callTimeoutMs,
      },
      daemonId: parts.mounts.daemonId,
      authenticate: (shown) => parts.guard.authenticate(shown),
      challenge: (asked) => new Challenge(parts.token.inForce, asked),
      command: (command) => this.#doors.command(command),
      health: () => Promise.resolve(parts.observation.health()),
      rotateToken: (current, next) => parts.token.rotate(current, next),
      onNotification: (session, method, params) => parts.router.notify(session, method, params),
    };
  }
}

function registryLimits(settings: Settings) {
  const { resumeWindowMs, sessionIdleMs: idleMs, maxFrameBytes, sessionMaxInflight, queueMax } = settings;
  return {
    resumeWindowMs,
    idleMs,
    maxFrameBytes,
    maxRunning: sessionMaxInflight + queueMax + SPARE_REQUESTS,
  };
}

/** @throws {ExaiError} `CONFIG` when another process has it */
async function takeHome(paths: StatePaths): Promise<HomeLock> {
  return await HomeLock.wait<never>(paths, () => Promise.resolve(undefined), 0);
}

/** What health is told of beside what is open. */
interface ObservedParts {
  admissions: Admissions;
  budget: ByteBudget;
}
