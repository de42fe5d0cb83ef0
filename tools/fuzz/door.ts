import { isObject, type Json, type JsonObject } from "../../lib/base/json.ts";
import { errorResponseId, type RequestId } from "../../lib/wire/rpc.ts";
import type { Random } from "./frames.ts";

/** A place where others' messages come in. */
export interface Door {
  name: string;
  /** Share of all frames that it gets. */
  share: number;
  /** Frames before memory is measured: bounded records of the last calls are full by then. */
  fillFrames?: number;
  /** Frames in a batch; a thousand when left out. */
  batchFrames?: number;
  /** @param onfault takes what must not be and is not thrown: what was logged as an error */
  open(onfault: (what: string) => void): Promise<OpenDoor>;
}

export interface OpenDoor extends AsyncDisposable {
  /**
   * Sends the frames and waits until all is answered.
   *
   * @throws {Violation}
   */
  batch(frames: readonly string[], random: Random): Promise<void>;
  /** What is found wrong when all batches are through, one line each. */
  inspect?(): Promise<string[]>;
}

/** Something that must not be. */
export class Violation extends Error {}

/** What answers a batch must have had: each request with a valid id exactly one. */
export class Expected {
  readonly #due = new Map<RequestId, number>();
  readonly #got = new Map<RequestId, number>();
  /** Ids whose requests may stay without an answer, because they were cancelled. */
  readonly #excused = new Set<RequestId>();

  readonly #opsToo: boolean;

  /** @param options `opsToo`: whether a message without `jsonrpc` is an EXAI op, and no faulty request */
  constructor(options: { opsToo: boolean }) {
    this.#opsToo = options.opsToo;
  }

  /** Forgets all, so that ids can be used again. */
  clear(): void {
    this.#due.clear();
    this.#got.clear();
    this.#excused.clear();
  }

  /** Takes note of a message that was sent. */
  sent(value: Json | undefined): void {
    if (!isObject(value) || (this.#opsToo && value.jsonrpc === undefined)) return;
    if (value.method === "notifications/cancelled") {
      const { requestId } = (isObject(value.params) ? value.params : {}) as JsonObject;
      if (isId(requestId)) this.#excused.add(requestId);
    }
    // What is a response, however malformed, is not answered; anything else is.
    const isResponse = value.method === undefined && ("result" in value || "error" in value);
    if (!isResponse && isId(value.id)) {
      this.#due.set(value.id, (this.#due.get(value.id) ?? 0) + 1);
    }
  }

  /** Takes note of a response. */
  got(id: Json | undefined): void {
    if (isId(id)) this.#got.set(id, (this.#got.get(id) ?? 0) + 1);
  }

  /** Whether nothing is left to wait for. */
  get isMet(): boolean {
    for (const [id, due] of this.#due) {
      if (!this.#excused.has(id) && (this.#got.get(id) ?? 0) < due) return false;
    }
    return true;
  }

  /** @throws {Violation} */
  check(): void {
    for (const [id, due] of this.#due) {
      const got = this.#got.get(id) ?? 0;
      if (got < due && !this.#excused.has(id)) {
        throw new Violation(`${due} requests with the id ${JSON.stringify(id)} had ${got} answers`);
      }
    }
    for (const [id, got] of this.#got) {
      const due = this.#due.get(id) ?? 0;
      if (got > due) {
        throw new Violation(`${due} requests with the id ${JSON.stringify(id)} had ${got} answers`);
      }
    }
  }
}

/** Whether an answer can carry `id` and be recognised: one that is read as another number, or is too long, is not said. */
export function isId(id: Json | undefined): id is string | number {
  return errorResponseId(id) !== null;
}

export function parse(text: string): Json | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const TURNS_MS = 10_000;

/** Lets what is under way go on until `done` holds; false when it does not for ten seconds. */
export async function until(done: () => boolean): Promise<boolean> {
  const endMs = performance.now() + TURNS_MS;
  while (!done()) {
    if (performance.now() > endMs) return false;
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  return true;
}
