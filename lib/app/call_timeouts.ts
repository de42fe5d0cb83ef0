import { Deadlines } from "../admission/deadlines.ts";
import { withTimeout } from "../admission/policies.ts";
import type { ByteBudget } from "../base/byte_budget.ts";
import { MIB } from "../base/units.ts";
import { type Call, type Caller, paramOf, type Policy } from "../call/call.ts";
import type { Server } from "../call/server.ts";
import type { TaskRecords } from "../call/task_records.ts";
import { followsTasks } from "../wire/tasks_extension.ts";
import type { Settings } from "../config/settings.ts";
import { textOf } from "../base/json.ts";
import type { ExaiServer } from "../tool/exai_server.ts";
import { AwaitServer } from "../admission/await_call.ts";
import { ClientPatience, ENDLESS, type Patience } from "../admission/client_patience.ts";
import { DaemonTasks } from "../admission/daemon_tasks.ts";
import { DetachedCalls } from "../admission/detached_calls.ts";
import { detaching } from "../admission/detaching.ts";

/** Limits on the results kept for one session: the same as for a client that is disconnected. */
const KEPT = { maxResults: 256, maxChars: 16 * MIB };

type CallTimeoutSettings = Pick<Settings, "callTimeoutMs" | "detachAfterMs" | "detachMaxMs">;

interface CallTimeoutsOptions {
  /** Where tasks are kept. */
  records: TaskRecords;
  /** The memory budget of results. */
  budget?: ByteBudget;
}

/** The time limits of calls, and the calls that are detached from their requests when they take long. */
export class CallTimeouts {
  readonly #settings: CallTimeoutSettings;
  readonly #own: ExaiServer;
  readonly #patience = new ClientPatience();
  readonly #calls: DetachedCalls;
  readonly #awaiting: AwaitServer;
  readonly #deadlines = new Deadlines({ keepsTimers: true });
  readonly #tasks: DaemonTasks;

  #servers: readonly Server[] = [];

  /** `own`: the server of EXAI's own tools, to which the settings apply. */
  constructor(settings: CallTimeoutSettings, own: ExaiServer, { records, budget }: CallTimeoutsOptions) {
    this.#calls = new DetachedCalls({ ...KEPT, budget });
    this.#tasks = new DaemonTasks({ records, maxMs: settings.detachMaxMs });
    this.#awaiting = new AwaitServer(this.#calls, (caller) => this.#mayGiveHandles(caller));
    this.#settings = settings;
    this.#own = own;
  }

  /** `servers`, with the server of the tool that waits for detached calls if any server detaches calls. */
  withAwaiting(servers: readonly Server[]): Server[] {
    this.#servers = servers;
    return servers.some((server) => this.#detaches(server)) ? [...servers, this.#awaiting] : [...servers];
  }

  /** Whether calls of `server` may be answered with a handle that does not match an output schema. */
  hidesOutputSchema(server: Server): boolean {
    return server !== this.#own && this.#detaches(server);
  }

  /** Whether calls of `server` only wait for other calls, which hold permits already. */
  onlyWaits(server: Server): boolean {
    return server === this.#awaiting;
  }

  /** The time limit of the calls of `server`. */
  limit(server: Server): Policy {
    const { detachMaxMs } = this.#settings;
    if (this.onlyWaits(server)) return withTimeout(detachMaxMs, this.#deadlines);
    const short = this.queryLimit(server);
    const whole = withTimeout(server.callTimeoutMs ?? detachMaxMs, this.#deadlines);
    if (server === this.#own) {
      return detaching(this.#calls, {
        patienceOf: ({ caller }) => this.#patienceFor(caller),
        mayTakeLong: (call) => this.#own.takesLong(nameOf(call)),
        keepsGivenUp: true,
        onTimeout: ({ caller }, afterMs) => this.#patience.learn(caller, afterMs),
        tasks: this.#tasks,
        whole,
        short,
      });
    }
    const patienceOf = this.#patienceWith(server);
    return detaching(this.#calls, { patienceOf, tasks: this.#tasks, whole, short });
  }

  /** A task, unlike a handle, is as good as the result: clients that follow tasks get one from every server. */
  #patienceWith({ detachAfterMs }: Server): (call: Call) => Patience {
    if (detachAfterMs === undefined) {
      return ({ caller }) => followsTasks(caller) ? this.#patienceFor(caller) : ENDLESS;
    }
    const patience = { waitMs: detachAfterMs, countsProgress: true };
    return () => patience;
  }

  /** Calls that go on as tasks. */
  get tasks(): Pick<DaemonTasks, "answer" | "leave" | "watch"> {
    return this.#tasks;
  }

  /** The time limit of queries about `server`, and of its calls that are not detached. */
  queryLimit(server: Server): Policy {
    return withTimeout(server.callTimeoutMs ?? this.#settings.callTimeoutMs, this.#deadlines);
  }

  /** Drops the detached calls of a session that has ended. */
  forget(caller: Caller): void {
    this.#calls.forget(caller);
  }

  /** How many detached calls run. */
  get running(): number {
    return this.#calls.running;
  }

  /** Resolves when no detached call runs. */
  idle(): Promise<void> {
    return this.#calls.idle();
  }

  /** Cancels every detached call, and all deadlines. */
  [Symbol.dispose](): void {
    this.#calls[Symbol.dispose]();
    this.#deadlines[Symbol.dispose]();
  }

  #detaches(server: Server): boolean {
    return server === this.#own ? this.#settings.detachAfterMs !== 0 : server.detachAfterMs !== undefined;
  }

  #mayGiveHandles(caller: Caller): boolean {
    return this.#servers.some((server) =>
      this.#detaches(server) && (server !== this.#own || this.#own.offersLongTools(caller))
    );
  }

  #patienceFor(caller: Caller): Patience {
    const { detachAfterMs } = this.#settings;
    if (detachAfterMs === 0) return ENDLESS;
    const known = this.#patience.of(caller);
    return detachAfterMs === "auto" ? known : { ...known, waitMs: detachAfterMs };
  }
}

function nameOf(call: Call): string {
  return textOf(paramOf(call, "name")) ?? "";
}
