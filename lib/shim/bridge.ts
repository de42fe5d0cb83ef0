import { getLogger } from "@logtape/logtape";
import type { ExaiError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import { patientTimeout } from "../base/patience.ts";
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
import type { Link, LinkError } from "./link.ts";
import { Memory } from "./memory.ts";
import { afterRestart, afterResume, atRestart, type Fate, type RecoveredSets } from "./recovery.ts";
import * as refusals from "./refusals.ts";
import { changedLists, replay } from "./replay.ts";
import { Uplink, type UplinkSettings } from "./uplink.ts";

const log = getLogger(["exai", "shim"]);

export type BridgeSettings =
  & UplinkSettings
  & Pick<Settings, "connectTimeoutMs" | "maxQueuedBytes" | "resumeWindowMs" | "shimRpcTimeoutMs">
  & {
    /** What a person can do who has no daemon, as the end of an error message. */
    advice: string;
  };

/** What the bridge needs of the client's side. */
export type ClientPort = Pick<StdioPeer, "sendText" | "send" | "refuse" | "flushed" | "queuedChars">;

/** Messages kept for the daemon, together; beyond that requests are refused rather than let memory grow. */
const MAX_HELD_BYTES = 128 * MIB;

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
  /** Requests the daemon has made of the client that are not answered. */
  readonly #asked = new Set<RequestId>();
  #onidle: (() => void) | undefined;
  #tried = false;
  #fault = "it has not answered yet";

  constructor(client: ClientPort, settings: BridgeSettings) {
    this.#client = client;
    this.#settings = settings;
    this.#uplink = new Uplink(settings, {
      waiting: () => [...this.#ledger.requests()].filter(({ sent }) => sent).map(({ id }) => id),
      onframe: (text, frame) => this.#fromDaemon(text, frame),
      onresume: (unseen) => this.#settle((entry) => afterResume(entry, unseen)),
      onrestart: (recovered) => this.#judge(recovered),
      introduce: () => this.#introduce(),
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
    const { bytes, requestCount } = this.#ledger;
    if (bytes + line.bytes > MAX_HELD_BYTES) {
      return this.#client.refuse(id, refusals.tooMuchWaiting(requestCount, bytes));
    }
    this.#ledger.add(entry);
    this.#awaitAnswer(entry);
    if (this.#uplink.ready) return this.#send(entry);
    this.#awaitDaemon(entry);
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
    const entry: Entry = { kind: "notification", method, ...line, sent: false };
    this.#keepAndSend(entry, this.#uplink.ready);
  }

  #response(message: { id: RequestId }, line: Line): void {
    if (!this.#asked.delete(message.id)) {
      return log.debug("the client answers {id}, which nobody asks any more", { id: message.id });
    }
    this.#keepAndSend({ kind: "response", ...line, sent: false }, this.#uplink.connected);
  }

  #keepAndSend(entry: Entry, now: boolean): void {
    if (entry.bytes > this.#uplink.maxFrameBytes || this.#ledger.bytes + entry.bytes > MAX_HELD_BYTES) {
      return log.warning("a {kind} of {bytes} bytes is dropped: there is no room for it", { ...entry });
    }
    this.#ledger.add(entry);
    if (now) this.#send(entry);
  }

  #send(entry: Entry | RequestEntry): void {
    if (!isRequest(entry)) {
      entry.sent = this.#uplink.send(entry.text) || entry.sent;
      return;
    }
    this.#stopWaiting(entry);
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
        if (frame.message.method === "notifications/cancelled") this.#withdraw(frame.message);
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
    const { resumeWindowMs, connectTimeoutMs } = this.#settings;
    this.#expectDaemon(entry, Math.max(resumeWindowMs, connectTimeoutMs));
    return true;
  }

  #withdraw(cancelled: JsonObject): void {
    this.#asked.delete((cancelled.params as JsonObject | undefined)?.requestId as RequestId);
  }

  #checkIdle(): void {
    if (this.#onidle && this.#ledger.requestCount === 0) this.#onidle();
  }

  // When the daemon comes and goes.

  async #introduce(): Promise<void> {
    const { state, lists } = this.#memory;
    const reason = "the daemon that asked has gone away";
    for (const requestId of this.#asked) {
      this.#client.send({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId, reason } });
    }
    this.#asked.clear();
    const replayed = state.initialize !== undefined;
    if (replayed) await replay(state, { own: this.#uplink.own, send: (text) => this.#uplink.send(text) });
    this.#settle((entry) => afterRestart(entry, { replayed }));
    if (replayed) changedLists(lists, this.#uplink.own).then((names) => this.#tellChanged(names), () => {});
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
      if (!this.#memory.state.mayNotify(name)) continue;
      this.#client.send({ jsonrpc: "2.0", method: `notifications/${name}/list_changed` });
    }
  }

  #settle(fateOf: (entry: Entry | RequestEntry) => Fate): void {
    for (const entry of this.#ledger) {
      const fate = fateOf(entry);
      if (fate === "send") this.#send(entry);
      else if (fate === "drop") this.#ledger.remove(entry);
      else if (isRequest(entry)) this.#keepOrGiveUp(entry, fate);
    }
  }

  #keepOrGiveUp(entry: RequestEntry, fate: Fate): void {
    const { method, sends } = entry;
    this.#stopWaiting(entry);
    if (fate === "unknown") this.#refuse(entry, refusals.outcomeUnknown(method));
    if (fate === "undelivered") this.#refuse(entry, refusals.undelivered(method, sends));
  }

  #lost(end: SocketEnd): void {
    this.#fault = `the connection ended (${end.code} ${end.reason})`.replace(" )", ")");
    if (end.code === CLOSE.frameTooLarge) this.#refuseLargest();
    for (const entry of this.#ledger.requests()) this.#awaitDaemon(entry);
  }

  // The daemon says that a message was too large for it, after all: sent again, it would end every connection.
  #refuseLargest(): void {
    const sent = [...this.#ledger.requests()].filter((entry) => entry.sent);
    if (sent.length === 0) return;
    const largest = sent.reduce((a, b) => a.bytes > b.bytes ? a : b);
    this.#refuse(largest, refusals.tooLarge(largest.bytes, this.#uplink.maxFrameBytes));
  }

  // Requests that run out of time.

  #awaitDaemon(entry: RequestEntry): void {
    const { connectTimeoutMs, resumeWindowMs } = this.#settings;
    // The daemon holds the answer to what it has got for that long.
    this.#expectDaemon(entry, entry.sent ? Math.max(connectTimeoutMs, resumeWindowMs) : connectTimeoutMs);
  }

  #expectDaemon(entry: RequestEntry, waitMs: number): void {
    if (entry.daemonTimer !== undefined) return;
    const giveUp = () => {
      const isLost = entry.sent && !this.#memory.isSafeToRepeat(entry);
      const error = isLost
        ? refusals.outcomeUnknown(entry.method)
        : refusals.daemonUnavailable(waitMs, { why: this.#fault, advice: this.#settings.advice });
      this.#refuse(entry, error);
    };
    entry.daemonTimer = patientTimeout(giveUp, waitMs, this.#settings.connectTimeoutMs);
  }

  #stopWaiting(entry: RequestEntry): void {
    entry.daemonTimer?.[Symbol.dispose]();
    entry.daemonTimer = undefined;
  }

  #awaitAnswer(entry: RequestEntry): void {
    const { shimRpcTimeoutMs } = this.#settings;
    if (shimRpcTimeoutMs === 0) return;
    entry.answerTimer = setTimeout(() => {
      this.#refuse(entry, refusals.timedOut(entry.method, shimRpcTimeoutMs));
      if (entry.sent && entry.method !== "initialize") this.#cancel(entry.id);
    }, shimRpcTimeoutMs);
  }

  #cancel(requestId: RequestId): void {
    const params = { requestId, reason: "not answered in time" };
    const text = JSON.stringify({ jsonrpc: "2.0", method: "notifications/cancelled", params });
    const method = "notifications/cancelled";
    this.#keepAndSend(
      { kind: "notification", method, text, bytes: text.length, sent: false },
      this.#uplink.ready,
    );
  }

  #refuse(entry: RequestEntry, error: ExaiError): void {
    if (!this.#ledger.remove(entry)) return;
    this.#client.refuse(entry.id, error);
    this.#checkIdle();
  }
}
