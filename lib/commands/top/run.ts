import { messageOf } from "../../base/errors.ts";
import type { JsonObject } from "../../base/json.ts";
import { HOUR_MS, SECOND_MS } from "../../base/units.ts";
import { Feed } from "./feed.ts";
import type { Paint } from "./paint.ts";
import { drawPicture } from "./picture.ts";
import { type Effect, linesOf, press } from "./press.ts";
import type { Screen, Size } from "./screen.ts";
import { newView, type Order, pageOf } from "./view.ts";
import { TopState } from "./top_state.ts";

/** The daemon bounds each order by limits of its own; parking lasts as long as the calls in flight. */
const ORDER_TIMEOUT_MS = HOUR_MS;

/** News are drawn this often at most: a terminal over SSH is slow. */
const DRAW_MS = 150;

/** Ages are drawn this often, and the size of the terminal is looked at: not every system tells when it changes. */
const TICK_MS = SECOND_MS;

/** The daemon, as `top` needs it. */
export interface TopDaemon {
  /** The lines of `GET /watch`, until `signal` aborts. */
  follow(log: string | undefined, signal: AbortSignal): AsyncIterable<string>;
  ask(path: string, options: { method: "GET" | "POST"; timeoutMs: number }): Promise<JsonObject>;
}

/** What surrounds it: the signals of the terminal. */
interface TopSurroundings {
  /** Ends it, as a signal does. */
  end: AbortSignal;
  /** Gives the terminal back until the user wants to go on; undefined where no shell can do that. */
  suspend?(): void;
  paint: Paint;
}

/** Draws what the daemon tells and does what keys say, until the user ends it. */
export class Top {
  readonly #daemon: TopDaemon;
  readonly #around: TopSurroundings;
  readonly #watched = new TopState(() => performance.now());
  readonly #view = newView();
  readonly #feed: Feed;
  #screen: Screen | undefined;
  #size: Size | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(daemon: TopDaemon, around: TopSurroundings) {
    this.#daemon = daemon;
    this.#around = around;
    this.#feed = new Feed({
      follow: (log, signal) => daemon.follow(log, signal),
      onEvent: (event) => {
        this.#watched.take(event);
        this.#drawSoon();
      },
      onContact: () => this.#drawSoon(),
      onNoLog: (why) => {
        if (this.#watched.log) this.#watched.log.why = why;
        this.#drawSoon();
      },
    });
  }

  /**
   * Waits for the first news, before the terminal is taken.
   *
   * @throws {ExaiError} `DAEMON_UNAVAILABLE`
   */
  start(): Promise<void> {
    return this.#feed.start();
  }

  /** Resolves when the user has had enough, or the terminal is gone. */
  async show(screen: Screen): Promise<void> {
    this.#screen = screen;
    const { end } = this.#around;
    const ticker = setInterval(() => this.#draw(), TICK_MS);
    const keys = screen.keys()[Symbol.asyncIterator]();
    const ended = new Promise<undefined>((resolve) =>
      end.addEventListener("abort", () => resolve(undefined))
    );
    try {
      this.#draw();
      while (!end.aborted) {
        const next = await Promise.race([keys.next(), ended]);
        if (next === undefined || next.done) return;
        const effect = press(next.value, this.#view, this.#watched);
        if (effect?.do === "quit") return;
        if (effect) this.#carryOut(effect);
        this.#draw();
      }
    } finally {
      clearInterval(ticker);
      clearTimeout(this.#timer);
      this.#screen = undefined;
      this.#feed[Symbol.dispose]();
    }
  }

  /** Draws all again, as the terminal has changed, or was another's meanwhile. */
  redraw(): void {
    this.#screen?.clear();
    this.#drawSoon();
  }

  #carryOut(effect: Exclude<Effect, { do: "quit" }>): void {
    switch (effect.do) {
      case "redraw":
        return this.redraw();
      case "suspend":
        return this.#around.suspend?.();
      case "order":
        return void this.#order(effect.order);
      case "show call":
        return void this.#showCall(effect.id);
      case "log":
        this.#watched.watchLog(effect.name);
        return this.#feed.followLog(effect.name);
    }
  }

  async #order({ path, done }: Order): Promise<void> {
    try {
      const { failed } = await this.#daemon.ask(path, { method: "POST", timeoutMs: ORDER_TIMEOUT_MS });
      // It has ended then, and could not be started again.
      this.#view.message = Array.isArray(failed) && failed.length > 0 ? failed.join("; ") : done;
    } catch (thrown) {
      this.#view.message = messageOf(thrown);
    }
    this.#drawSoon();
  }

  async #showCall(id: string): Promise<void> {
    try {
      const { call } = await this.#daemon.ask(`/calls?${new URLSearchParams({ id })}`, {
        method: "GET",
        timeoutMs: 10 * SECOND_MS,
      });
      this.#view.page = pageOf(this.#view, `call ${id}`, linesOf(call as JsonObject));
    } catch (thrown) {
      this.#view.message = messageOf(thrown);
    }
    this.#drawSoon();
  }

  #drawSoon(): void {
    this.#timer ??= setTimeout(() => this.#draw(), DRAW_MS);
  }

  #draw(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const screen = this.#screen;
    if (!screen) return;
    const { size } = screen;
    if (size.columns !== this.#size?.columns || size.rows !== this.#size?.rows) screen.clear();
    this.#size = size;
    this.#view.columns = size.columns;
    screen.draw(drawPicture({
      watched: this.#watched,
      view: this.#view,
      contact: this.#feed.contact,
      paint: this.#around.paint,
      nowMs: performance.now(),
      ...size,
    }));
  }
}
