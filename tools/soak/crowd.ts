import { messageOf } from "../../lib/base/errors.ts";
import type { Rig } from "../load/rig.ts";
import { type Counted, type Kind, KINDS, type SoakClient } from "./clients.ts";

/** The places there are, each taken by one client after another. */
const PLACES: readonly Kind[] = [
  "shim",
  "shim",
  "shim",
  "ops",
  "ops",
  "ops",
  "mcp",
  "mcp",
  "mcp",
  "http",
  "http",
  "http",
];
/** How long a client stays. */
const MIN_STAY_MS = 3000;
const MAX_STAY_MS = 30_000;
/** Most calls a client has in flight. */
const MAX_INFLIGHT = 20;
const TICK_MS = 20;

interface Place {
  client?: SoakClient;
  inflight: number;
}

/** Clients that come and go, and the calls spread over them at an even rate. */
export class Crowd {
  calls = 0;
  answers = 0;
  /** Clients that have come. */
  visits = 0;
  /** Calls that could not be made because every client had too many in flight. */
  skipped = 0;
  readonly errors = new Map<string, number>();
  readonly counted: Counted = { counterCalls: 0 };
  readonly #rig: Rig;
  readonly #random: () => number;
  readonly #places: Place[] = PLACES.map(() => ({ inflight: 0 }));
  readonly #stopping = new AbortController();
  #next = 0;

  constructor(rig: Rig, random: () => number) {
    this.#rig = rig;
    this.#random = random;
  }

  /** Calls at `rate` a second until `untilMs` (of `performance.now`); resolves when all is answered. */
  async run(rate: number, untilMs: number): Promise<void> {
    const visitors = this.#places.map((place, i) => this.#visit(place, PLACES[i]!));
    const begunMs = performance.now();
    let due = 0;
    while (performance.now() < untilMs) {
      await new Promise((resolve) => setTimeout(resolve, TICK_MS));
      const wanted = Math.floor((performance.now() - begunMs) / 1000 * rate);
      for (; due < wanted; due++) this.#callSomewhere();
    }
    this.#stopping.abort();
    await Promise.all(visitors);
  }

  async #visit(place: Place, kind: Kind): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      try {
        const client = await KINDS[kind](this.#rig, this.counted);
        this.visits++;
        place.client = client;
        await this.#stay();
        place.client = undefined;
        while (place.inflight > 0) await new Promise((resolve) => setTimeout(resolve, TICK_MS));
        await client.close();
      } catch (thrown) {
        this.#note(`${kind} cannot come or go: ${messageOf(thrown)}`);
        await new Promise((resolve) => setTimeout(resolve, 1000));
      }
    }
  }

  async #stay(): Promise<void> {
    const { signal } = this.#stopping;
    const ms = MIN_STAY_MS + this.#random() * (MAX_STAY_MS - MIN_STAY_MS);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
    });
  }

  #callSomewhere(): void {
    for (let tries = 0; tries < this.#places.length; tries++) {
      const place = this.#places[this.#next++ % this.#places.length]!;
      if (place.client && place.inflight < MAX_INFLIGHT) return void this.#call(place, place.client);
    }
    this.skipped++;
  }

  async #call(place: Place, client: SoakClient): Promise<void> {
    place.inflight++;
    try {
      await client.call(this.calls++);
      this.answers++;
    } catch (thrown) {
      this.#note(messageOf(thrown));
    } finally {
      place.inflight--;
    }
  }

  #note(what: string): void {
    this.errors.set(what, (this.errors.get(what) ?? 0) + 1);
  }
}
