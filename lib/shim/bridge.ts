import { getLogger } from "@logtape/logtape";
import type { ExaiError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import { MIB } from "../base/units.ts";
import type { Settings } from "../config/settings.ts";
import type { Line, StdioPeer } from "../transport/stdio.ts";
import type { SocketEnd } from "../transport/websocket_client.ts";
import { CLOSE } from "../wire/codes.ts";
import type { Peeked } from "../wire/peek.ts";
import {
  kindOf,
  type RequestId,
  type RpcMessage,
  type RpcNotification,
  type RpcRequest,
} from "../wire/rpc.ts";
import type { DialerHooks } from "./dialer.ts";
import { type Entry, isRequest, Ledger, type RequestEntry } from "./ledger.ts";
import { errorLine, notificationLine } from "./lines.ts";
import type { Link, LinkError } from "./link.ts";
import { Memory } from "./memory.ts";
import { afterRestart, afterResume, atRestart, type Fate, type RecoveredSets } from "./recovery.ts";
import * as refusals from "./refusals.ts";
import { changedLists, replay } from "./replay.ts";
import { RequestTimers, type TimerSettings } from "./request_timers.ts";
import { Uplink, type UplinkSettings } from "./uplink.ts";

const log = getLogger(["exai", "shim"]);

export type BridgeSettings =
  & UplinkSettings
  & TimerSettings
  & Pick<Settings, "maxQueuedBytes">
  & {
    /** What a person can do who has no daemon, as the end of an error message. */
    advice: string;
  };

/** What the bridge needs of the client's side. */
export type ClientPort = Pick<StdioPeer, "sendText" | "send" | "refuse" | "flushed" | "queuedChars">;

/** Requests kept for the daemon, together; beyond that they are refused rather than let memory grow. The rest likewise. */
const MAX_HELD_BYTES = 128 * MIB;
/** With so much under way to a daemon that is there, no more is read of the client until it has taken half of it. */
const MAX_UNDER_WAY_BYTES = 32 * MIB;

/**
 * Carries every MCP message between the client and the daemon as it is, and sees to it that each request of the client
 * gets exactly one answer, whatever becomes of the daemon.
 */
export class Bridge implements DialerHooks {
  /** Called when a request waits for a daemon. */
  ondemand: () => void = () => {};
  readonly #client: ClientPort;
  readonly #settings: BridgeSettings;
  readonly #uplink: Uplink;
  readonly #ledger = new Ledger();
  readonly #memory = new Memory();
  readonly #timers: RequestTimers;
  /** Requests the daemon has made of the client that are not answered. */
  readonly #asked = new Set<RequestId>();
  #onidle: (() => void) | undefined;
  /** Present while the client is not read on. */
  #heldUp: PromiseWithResolvers<void> | undefined;
  #tried = false;
  #fault = "it has not answered yet";

  constructor(client: ClientPort, settings: BridgeSettings) {
    this.#client = client;
    this.#settings = settings;
    this.#timers = new RequestTimers(settings, {
      ontired: (entry, waitedMs) => this.#refuse(entry, this.#whyNoDaemon(entry, waitedMs)),
      onunanswered: (entry) => this.#giveUp(entry),
    });
    this.#uplink = new Uplink(settings, {
      waiting: () => [...this.#ledger.requests()].filter(({ sent }) => sent).map(({ id }) => id),
      onframe: (text, frame) => this.#fromDaemon(text, frame),
      isHeldUp: () => this.#heldUp !== undefined,
      onresume: (unseen, { knowsArrivals }) =>
        this.#settle((entry) => afterResume(entry, { unseen, knowsArrivals })),
      onreceived: (messages) => this.#received(messages),
      onrestart: (recovered) => this.#judge(recovered),
      introduce: () => this.#introduce(),
      onmet: (facts) => this.#meet(facts),
      onlost: (end) => this.#lost(end),
    });
  }

  /** The revision the client has agreed on, once it has initialized. */
  get revision(): string | undefined {
    return this.#memory.state.revision;
  }

  /** Takes a message of the client. */
  fromClient(message: RpcMessage, line: Line): void {
    switch (kindOf(message)) {
      case "request":
        return this.#request(message as RpcRequest, line);
      case "notification":
        return this.#notification(message as RpcNotification, line);
      case "response":
        return this.#response(message as RpcMessage & { id: RequestId }, line);
    }
  }

  /** The client has answered with what is no response. */
  badAnswer(id: RequestId, why: string): void {
    if (this.#asked.delete(id)) this.#failAnswer(id, refusals.malformedAnswer(why));
  }

  /**
   * Resolves when the client may be read on; undefined when it may now. It may always while the daemon is away, for then
   * its requests are answered here.
   */
  backpressure(): Promise<void> | undefined {
    const { otherBytes } = this.#ledger;
    if (otherBytes <= MAX_UNDER_WAY_BYTES || !this.#uplink.tellsArrivals) return undefined;
    this.#heldUp ??= Promise.withResolvers();
    // A daemon that hangs must not keep the client waiting for ever.
    this.#uplink.expectWord();
    return this.#heldUp.promise;
  }

  /** Resolves when no request waits for an answer. */
  async idle(): Promise<void> {
    if (this.#ledger.requestCount > 0) await new Promise<void>((resolve) => this.#onidle = resolve);
  }

  /** Answers every request that still waits: the client has closed stdin and may yet read. */
  refuseAll(): void {
    for (const entry of [...this.#ledger.requests()]) {
      this.#refuse(entry, entry.sent ? refusals.stdinClosed(entry.method) : refusals.notReached(this.#fault));
    }
  }

  /** Tells the daemon that the client has gone; resolves when it knows or `timeoutMs` has passed. */
  close(timeoutMs: number): Promise<void> {
    return this.#uplink.close(timeoutMs);
  }

  // What the dialer asks and tells.

  hello(): JsonObject {
    return this.#uplink.hello();
  }

  wanted(): boolean {
    return !this.#tried || this.#ledger.requestCount > 0;
  }

  /** Resolves when there is room for what a daemon would send. */
  async room(): Promise<void> {
    if (this.#client.queuedChars > this.#settings.maxQueuedBytes / 2) await this.#client.flushed();
  }

  onup(link: Link): void {
    this.#tried = true;
    this.#uplink.onup(link);
  }

  ondown(end: SocketEnd): void {
    this.#uplink.ondown(end);
  }

  onfault(fault: LinkError): void {
    this.#tried = true;
    if (this.#fault !== fault.message) log.warning("{reason}", { reason: fault.message });
    this.#fault = fault.message;
    if (!["unauthorized", "rejected", "unproven"].includes(fault.fault)) return;
    // Waiting does not help here. What was sent waits on, for its outcome may still be learnt.
    for (const entry of this.#ledger.requests()) {
      if (!entry.sent) this.#refuse(entry, refusals.turnedAway(fault.fault, fault.message));
    }
  }

  // From the client.

  #request(message: RpcRequest, line: Line): void {
    const { id, method } = message;
    if (this.#ledger.has(id)) return this.#client.refuse(null, refusals.idInUse(id));
    const entry: RequestEntry = { kind: "request", id, method, ...line, sent: false, sends: 0 };
    const { maxFrameBytes } = this.#uplink;
    if (line.bytes > maxFrameBytes) {
      return this.#client.refuse(id, refusals.tooLarge(line.bytes, maxFrameBytes));
    }
    const remembered = this.#uplink.ready ? undefined : this.#memory.answerFor(entry);
    if (remembered !== undefined) return this.#client.sendText(remembered);
    const { requestBytes, requestCount } = this.#ledger;
    if (requestBytes + line.bytes > MAX_HELD_BYTES) {
      return this.#client.refuse(id, refusals.tooMuchWaiting(requestCount, requestBytes));
    }
    this.#ledger.add(entry);
    this.#timers.awaitAnswer(entry);
    if (this.#uplink.ready) return this.#send(entry);
    this.#timers.awaitDaemon(entry);
    this.ondemand();
  }

  #notification(message: RpcNotification, line: Line): void {
    const { method, params } = message;
    if (method === "notifications/progress") return void this.#uplink.send(line.text);
    if (method === "notifications/initialized") this.#memory.state.initialized = true;
    if (method === "notifications/cancelled") {
      const cancelled = this.#ledger.take(params?.requestId as RequestId);
      this.#checkIdle();
      // The daemon need not hear of a request it never had.
      if (cancelled && !cancelled.sent) return;
    }
    this.#keepAndSend({ kind: "notification", method, ...line }, this.#uplink.ready);
  }

  #response(message: { id: RequestId }, line: Line): void {
    if (!this.#asked.delete(message.id)) {
      return log.debug("the client answers {id}, which nobody asks any more", { id: message.id });
    }
    // Whoever asked must not wait for an answer that has no room.
    const error = this.#whyNoRoom(line);
    if (error) this.#failAnswer(message.id, error);
    else this.#keepAndSend({ kind: "response", ...line }, true);
  }

  #failAnswer(id: RequestId, error: ExaiError): void {
    log.warning("the client's answer to {id} cannot be passed on: {reason}", { id, reason: error.message });
    this.#keepAndSend({ kind: "response", ...errorLine(id, error) }, true);
  }

  #whyNoRoom({ bytes }: Line): ExaiError | undefined {
    const { maxFrameBytes } = this.#uplink;
    if (bytes > maxFrameBytes) return refusals.tooLarge(bytes, maxFrameBytes);
    if (this.#uplink.tellsArrivals) return undefined;
    return this.#ledger.otherBytes + bytes > MAX_HELD_BYTES ? refusals.answerNotKept(bytes) : undefined;
  }

  #received(messages: number): void {
    this.#ledger.confirm(messages);
    if (this.#ledger.otherBytes <= MAX_UNDER_WAY_BYTES / 2) this.#readOn();
  }

  #readOn(): void {
    this.#heldUp?.resolve();
    this.#heldUp = undefined;
  }

  /** Keeps `message` until the daemon has it, and sends it now if it may be and a daemon is there. */
  #keepAndSend(message: Omit<Entry, "sent">, mayBeSent: boolean): void {
    const why = message.kind === "notification" ? this.#whyNoRoom(message) : undefined;
    if (why) {
      const { method, bytes } = message;
      const reason = why.message;
      return log.warning("{method} of {bytes} bytes is dropped: {reason}", { method, bytes, reason });
    }
    const entry: Entry = { ...message, sent: false };
    this.#ledger.add(entry);
    if (mayBeSent) this.#send(entry);
  }

  #send(entry: Entry | RequestEntry): void {
    if (!isRequest(entry)) {
      if (!this.#uplink.send(entry.text)) return;
      entry.sent = true;
      entry.place = this.#uplink.sent;
      return;
    }
    this.#timers.stopWaiting(entry);
    entry.sent = this.#uplink.sendRequest(entry.text) || entry.sent;
    entry.sends++;
  }

  // From the daemon.

  #fromDaemon(text: string, frame: Peeked): void {
    switch (frame.kind) {
      case "response": {
        if (frame.id === null) break;
        if (frame.failed && this.#putOff(frame.id, text)) return;
        const request = this.#ledger.answer(frame.id);
        if (!request) return log.debug("the daemon answers {id}, which waits no more", { id: frame.id });
        this.#memory.noteAnswer(request, { text, response: frame });
        break;
      }
      case "request":
        this.#asked.add(frame.id);
        break;
      case "notification":
        if (frame.message.method !== "notifications/cancelled") break;
        this.#asked.delete((frame.message.params as JsonObject | undefined)?.requestId as RequestId);
    }
    // One line is one message: a text that holds line breaks between its tokens is written anew.
    this.#client.sendText(/[\n\r]/.test(text) ? JSON.stringify(JSON.parse(text)) : text);
    this.#checkIdle();
    if (this.#client.queuedChars > this.#settings.maxQueuedBytes) {
      this.#uplink.cut("the client does not read");
    }
  }

  /** Keeps a request that a stopping daemon takes no more for the next one; false for any other error. */
  #putOff(id: RequestId, text: string): boolean {
    const entry = this.#ledger.get(id);
    if (!entry || JSON.parse(text).error?.data?.code !== "SHUTTING_DOWN") return false;
    entry.sent = false;
    this.#timers.awaitNextDaemon(entry);
    return true;
  }

  #checkIdle(): void {
    if (this.#onidle && this.#ledger.requestCount === 0) this.#onidle();
  }

  // When the daemon comes and goes.

  async #introduce(): Promise<{ replayed: boolean }> {
    const { state } = this.#memory;
    const reason = "the daemon that asked has gone away";
    for (const requestId of this.#asked) {
      this.#client.send({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId, reason } });
    }
    this.#asked.clear();
    const replayed = state.initialize !== undefined;
    if (replayed) await replay(state, { own: this.#uplink.own, send: (text) => this.#uplink.send(text) });
    return { replayed };
  }

  #meet(facts: { replayed: boolean }): void {
    this.#settle((entry) => afterRestart(entry, facts));
    if (!facts.replayed) return;
    changedLists(this.#memory.lists, this.#uplink.own).then((names) => this.#tellChanged(names), () => {});
  }

  /** Decides about what an earlier daemon may have had, as long as the next one's word about it holds. */
  #judge(recovered: RecoveredSets | undefined): void {
    const isSafeToRepeat = (request: RequestEntry) => this.#memory.isSafeToRepeat(request);
    for (const entry of this.#ledger.requests()) {
      const fate = atRestart(entry, { recovered, isSafeToRepeat });
      if (fate === "send") entry.sent = false;
      else this.#keepOrGiveUp(entry, fate);
    }
  }

  #tellChanged(names: ReadonlySet<string>): void {
    for (const name of names) {
      const isWanted = this.#memory.state.mayNotify(name);
      if (isWanted) this.#client.send({ jsonrpc: "2.0", method: `notifications/${name}/list_changed` });
    }
  }

  #settle(fateOf: (entry: Entry | RequestEntry) => Fate): void {
    for (const entry of this.#ledger) {
      const fate = fateOf(entry);
      if (fate === "send") this.#send(entry);
      else if (fate === "drop") this.#ledger.remove(entry);
      // The rest is sent or dropped.
      else this.#keepOrGiveUp(entry as RequestEntry, fate);
    }
  }

  #keepOrGiveUp(entry: RequestEntry, fate: Fate): void {
    const { method, sends } = entry;
    this.#timers.stopWaiting(entry);
    if (fate === "unknown") this.#refuse(entry, refusals.outcomeUnknown(method));
    if (fate === "undelivered") this.#refuse(entry, refusals.undelivered(method, sends));
  }

  #lost(end: SocketEnd): void {
    this.#fault = `the connection ended (${`${end.code} ${end.reason}`.trimEnd()})`;
    this.#readOn();
    if (end.code === CLOSE.frameTooLarge) this.#refuseLargest();
    for (const entry of this.#ledger.requests()) this.#timers.awaitDaemon(entry);
  }

  // The daemon says that a message was too large for it, after all: sent again, it would end every connection.
  #refuseLargest(): void {
    const sent = [...this.#ledger.requests()].filter((entry) => entry.sent);
    if (sent.length === 0) return;
    const largest = sent.reduce((a, b) => a.bytes > b.bytes ? a : b);
    this.#refuse(largest, refusals.tooLarge(largest.bytes, this.#uplink.maxFrameBytes));
  }

  // Requests that are given up.

  #whyNoDaemon(entry: RequestEntry, waitedMs: number): ExaiError {
    if (entry.sent && !this.#memory.isSafeToRepeat(entry)) return refusals.outcomeUnknown(entry.method);
    return refusals.daemonUnavailable(waitedMs, { why: this.#fault, advice: this.#settings.advice });
  }

  #giveUp(entry: RequestEntry): void {
    this.#refuse(entry, refusals.timedOut(entry.method, this.#settings.shimRpcTimeoutMs));
    if (!entry.sent || entry.method === "initialize") return;
    const method = "notifications/cancelled";
    const line = notificationLine(method, { requestId: entry.id, reason: "not answered in time" });
    this.#keepAndSend({ kind: "notification", method, ...line }, this.#uplink.ready);
  }

  #refuse(entry: RequestEntry, error: ExaiError): void {
    if (!this.#ledger.remove(entry)) return;
    this.#client.refuse(entry.id, error);
    this.#checkIdle();
  }
}
