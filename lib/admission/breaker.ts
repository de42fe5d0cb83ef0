import { getLogger } from "@logtape/logtape";
import { Circuit, type CircuitState, type Finding } from "../base/circuit.ts";
import { ExaiError } from "../base/errors.ts";
import { SECOND_MS } from "../base/units.ts";
import type { Call, Policy } from "../call/call.ts";

const log = getLogger(["exai", "admission"]);

export interface ServerBreakerOptions {
  /** The server's name, for messages. */
  name: string;
  /** Failures in a row after which it is left alone. */
  failures: number;
  /** How long it is left alone before one call tries it again, in milliseconds. */
  openMs: number;
  /** How long one of its calls may take, in milliseconds; a caller that gave less has found out nothing. */
  callTimeoutMs: number;
  /** A clock that never jumps, in milliseconds. */
  now?: () => number;
  /** Called when it has opened or closed. */
  onchange?(): void;
}

/** How a breaker stands, for `ps` and the health report. */
export interface BreakerStatus {
  state: CircuitState;
  /** Failures in a row. */
  failures: number;
  /** What the last of them said. */
  lastError: string | undefined;
  /** How long calls are refused, in milliseconds; undefined when the next one is made. */
  retryAfterMs: number | undefined;
}

/**
 * Leaves a server alone that keeps failing: does not answer in time, cannot be reached, crashes, is overloaded. What a
 * tool itself says has failed, what a caller did wrong and what it cancelled are no failures of the server.
 */
export class ServerBreaker {
  readonly name: string;
  readonly #options: ServerBreakerOptions;
  readonly #circuit: Circuit;
  #lastError: string | undefined;
  /** What the last failure came of. */
  #lastCause: unknown;

  constructor(options: ServerBreakerOptions) {
    this.name = options.name;
    this.#options = options;
    this.#circuit = new Circuit({ ...options, onchange: () => this.#changed() });
  }

  get status(): BreakerStatus {
    const { state, failures, refusesForMs: retryAfterMs } = this.#circuit;
    return { state, failures, lastError: this.#lastError, retryAfterMs };
  }

  /** What is wrong, in a sentence; undefined when calls are made. */
  get fault(): string | undefined {
    return this.#circuit.state === "closed" ? undefined : this.#describe();
  }

  /** Forgets every failure: the configuration was read again. */
  reset(): void {
    this.#circuit.reset();
  }

  /** Refuses at once what {@linkcode guard} would refuse after a wait for a permit. Stands in front of the permits. */
  readonly refuse: Policy = (next) => (call) => {
    const mayPass = this.#circuit.state === "closed" || this.#circuit.refusesForMs === undefined;
    return mayPass ? next(call) : Promise.reject(this.#refusal());
  };

  /** Makes a call unless the server is left alone, and learns from it. Stands behind the permits. */
  readonly guard: Policy = (next) => async (call) => {
    const era = this.#circuit.enter();
    if (era === 0) throw this.#refusal();
    try {
      const result = await next(call);
      this.#circuit.leave(era, "well");
      return result;
    } catch (thrown) {
      this.#learn(era, call, ExaiError.from(thrown));
      throw thrown;
    }
  };

  #learn(era: number, call: Call, error: ExaiError): void {
    let finding = findingOf(error, call, this.#options.callTimeoutMs);
    // One crash ends every call under way: that is one failure, however many they are.
    const cause = error.cause instanceof ExaiError ? error.cause : error;
    if (finding === "unwell" && cause === this.#lastCause) finding = "nothing";
    this.#lastCause = cause;
    if (finding === "unwell") this.#lastError = error.message;
    this.#circuit.leave(era, finding);
    if (finding === "unwell" && error.retryAfterMs !== undefined) this.#circuit.hold(error.retryAfterMs);
  }

  #refusal(): ExaiError {
    const retryAfterMs = Math.ceil(this.#circuit.refusesForMs ?? SECOND_MS);
    return new ExaiError("UPSTREAM_UNAVAILABLE", this.#describe(), {
      retryAfterMs,
      details: { server: this.name, breaker: "open" },
    });
  }

  #describe(): string {
    const { failures, refusesForMs } = this.#circuit;
    const seconds = Math.max(1, Math.ceil((refusesForMs ?? 0) / SECOND_MS));
    const until = refusesForMs === undefined
      ? "until a call that is made now finds it well"
      : `for ${seconds} s more`;
    const times = failures === 1 ? "failed" : `failed ${failures} times in a row`;
    return `server "${this.name}" ${times} and is left alone ${until}; the last time: ${this.#lastError}`;
  }

  #changed(): void {
    const { state } = this.#circuit;
    if (state === "open") log.warning("{fault}", { fault: this.#describe() });
    else log.info('server "{name}" is well again', { name: this.name });
    this.#options.onchange?.();
  }
}

function findingOf(error: ExaiError, call: Call, callTimeoutMs: number): Finding {
  switch (error.code) {
    case "TIMEOUT":
      return (call.timeoutMs ?? Infinity) < callTimeoutMs ? "nothing" : "unwell";
    case "UPSTREAM_UNAVAILABLE":
      // A server that rests after its crashes was not asked at all; one that names a status was.
      return error.retryAfterMs !== undefined && error.details?.status === undefined ? "nothing" : "unwell";
    default:
      return "nothing";
  }
}
