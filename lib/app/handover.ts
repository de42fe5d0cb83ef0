import { getLogger } from "@logtape/logtape";
import { delay } from "@std/async/delay";
import type { Drain } from "../admission/policies.ts";
import type { HandoverAdmin, HandoverAnswer, Successor } from "../admin/handover_route.ts";
import { resolvedWithin } from "../base/abort.ts";
import { describeRelease, isNewer, OWN_RELEASE } from "../base/release.ts";
import { monotonicNow } from "../base/time.ts";
import { MINUTE_MS, SECOND_MS } from "../base/units.ts";
import { COMMITTED_AT, VERSION } from "../base/version.ts";
import type { MountedServer } from "../upstream/mounted_server.ts";
import type { Slot } from "../upstream/slot.ts";
import type { CallTimeouts } from "./call_timeouts.ts";

/** Which daemon this is, as it tells clients and `daemon.json`. */
export const DAEMON_IDENTITY = {
  version: VERSION,
  ...(COMMITTED_AT === "" ? {} : { committed_at: COMMITTED_AT }),
  pid: Deno.pid,
  hands_over: true,
} as const;

const log = getLogger(["exai", "daemon"]);

/** How long one request of the newer daemon waits for a quiet moment; a command's request may take twice as long. */
const WAIT_MS = 5 * SECOND_MS;

/** Between looks at what no event tells. */
const LOOK_MS = 100;

/** A process of one window (a browser, a shell) holds that window's work: it is not ended so soon after a call. */
const PRIVATE_REST_MS = 10 * MINUTE_MS;

interface HandoverOptions {
  drain: Pick<Drain, "running" | "idle" | "close">;
  timeouts: Pick<CallTimeouts, "running">;
  /** The mounted servers, and those taken out of the configuration that still run. */
  servers(): Iterable<Pick<MountedServer, "name" | "slots" | "retiring">>;
}

/**
 * Ends this daemon in favour of a newer one at a moment when that loses nothing. Until then nothing changes: a newer
 * daemon that gives up waiting, or is killed, has changed nothing.
 */
export class Handover implements HandoverAdmin {
  readonly #options: HandoverOptions;
  readonly #accepted = Promise.withResolvers<string>();
  readonly #stopped = Promise.withResolvers<void>();
  #isStopped = false;
  #announced = "";

  constructor(options: HandoverOptions) {
    this.#options = options;
  }

  /** Resolves with the reason, in a clause, when this daemon has to stop: it takes no more calls, and none runs. */
  get accepted(): Promise<string> {
    return this.#accepted.promise;
  }

  accepts(successor: Successor): boolean {
    return successor.is === "service" || isNewer(successor.release, OWN_RELEASE);
  }

  /** Answers waiting requests that this daemon was stopped, so that none starts in its place. */
  stop(): void {
    this.#isStopped = true;
    this.#stopped.resolve();
  }

  async request(successor: Successor): Promise<HandoverAnswer> {
    const name = successor.is === "service"
      ? "the service"
      : `a newer daemon (${describeRelease(successor.release, OWN_RELEASE)})`;
    this.#announce(name);
    const deadlineMs = monotonicNow() + WAIT_MS;
    let waitsFor: string | undefined;
    while (!this.#isStopped && (waitsFor = this.#busyWith()) !== undefined && monotonicNow() < deadlineMs) {
      const changed = Promise.race([this.#options.drain.idle(), this.#stopped.promise]);
      await resolvedWithin(changed, deadlineMs - monotonicNow());
      if (!this.#isStopped && this.#busyWith() !== undefined) await delay(LOOK_MS);
    }
    if (this.#isStopped) return { state: "stopped" };
    if (waitsFor !== undefined) return { state: "waiting", waits_for: waitsFor };
    // In the same turn as the last look: no call begins in between.
    this.#options.drain.close();
    this.#accepted.resolve(`${name} takes over`);
    return { state: "stopping" };
  }

  #announce(name: string): void {
    if (this.#announced === name) return;
    this.#announced = name;
    log.info("{name} takes over as soon as nothing would be lost", { name });
  }

  /** What an end now would lose, in words; undefined at a quiet moment. */
  #busyWith(): string | undefined {
    const { drain, timeouts, servers } = this.#options;
    const calls = drain.running + timeouts.running;
    if (calls > 0) return calls === 1 ? "a call that runs" : `${calls} calls that run`;
    for (const { name, slots, retiring } of servers()) {
      for (const slot of [...slots, ...retiring]) {
        const held = heldBy(slot);
        if (held !== undefined) return `${held} of server "${name}"`;
      }
    }
    return undefined;
  }
}

function heldBy({ started, scope, isCalled, sessionIds }: Slot): string | undefined {
  if (isCalled) return "a call";
  if (!started) return undefined;
  if (started.tasks.remainingMs() > 0) return "a task";
  const isPrivate = (scope === "session" || scope === "window") && sessionIds.length > 0;
  const restMs = monotonicNow() - started.lastUsedAtMs;
  return isPrivate && restMs < PRIVATE_REST_MS ? "a window's own process" : undefined;
}
