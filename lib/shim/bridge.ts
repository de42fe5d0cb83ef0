import { getLogger } from "@logtape/logtape";
import type { JsonObject } from "../base/json.ts";
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
import { Backpressure } from "./backpressure.ts";
import { PendingMessages, type PendingRequest } from "./pending_messages.ts";
import { notificationLine } from "./lines.ts";
import type { Link, LinkError } from "../client/link.ts";
import { ReplayState } from "./replay_state.ts";
import { Outbox } from "./outbox.ts";
import { DaemonRequests } from "./daemon_requests.ts";
import { afterRestart, afterResume } from "./recovery.ts";
import * as refusals from "./errors.ts";
import { refreshLists, replayHandshake } from "./replay.ts";
import { RequestTimers, type TimerSettings } from "./request_timers.ts";
import { FailureResponder } from "./failure_responder.ts";
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
  readonly #ledger = new PendingMessages();
  readonly #memory = new ReplayState();
  readonly #timers: RequestTimers;
  readonly #questions = new DaemonRequests();
  readonly #heldUp = new Backpressure();
  readonly #unanswered: FailureResponder;
  readonly #outbox: Outbox;
  #tried = false;

  constructor(client: ClientPort, settings: BridgeSettings) {
    this.#client = client;
    this.#settings = settings;
    const { advice } = settings;
    this.#unanswered = new FailureResponder(this.#ledger, { client, replayState: this.#memory, advice });
    this.#timers = new RequestTimers(settings, {
      onDaemonTimeout: (entry, waitedMs) => this.#unanswered.handleDaemonTimeout(entry, waitedMs),
      onResponseTimeout: (entry) => this.#giveUp(entry),
    });
    this.#uplink = new Uplink(settings, {
      pendingIds: () => [...this.#ledger.requests()].filter(({ sent }) => sent).map(({ id }) => id),
      onFrame: (text, frame) => this.#fromDaemon(text, frame),
      isPaused: () => this.#heldUp.isPaused,
      onResume: (unseen, { knowsArrivals }) =>
        this.#outbox.applyRecovery((entry) => afterResume(entry, { unseen, knowsArrivals })),
      onAcknowledge: (messages) => this.#received(messages),
      onRestart: (recovered) =>
        this.#outbox.applyRestart(recovered, (request) => this.#memory.isSafeToRepeat(request)),
      introduce: () => this.#introduce(),
      onIntroduced: (facts) => this.#meet(facts),
      onDisconnect: (end) => this.#lost(end),
    });
    this.#outbox = new Outbox({
      pending: this.#ledger,
      uplink: this.#uplink,
      timers: this.#timers,
      failures: this.#unanswered,
    });
  }

  /** The revision the client has agreed on, once it has initialized. */
  get revision(): string | undefined {
    return this.#memory.client.revision;
  }

  /** Takes a message of the client. */
  handleMessage(message: RpcMessage, line: Line): void {
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
  handleMalformedResponse(id: RequestId, why: string): void {
    if (this.#questions.take(id)) this.#outbox.respondWithError(id, refusals.malformedResponse(why));
  }

  /**
   * Resolves when the client may be read on; undefined when it may now. It may always while the daemon is away, for then
   * its requests are answered here.
   */
  backpressure(): Promise<void> | undefined {
    if (!this.#uplink.acknowledgesMessages) return undefined;
    const room = this.#heldUp.waitForCapacity(this.#ledger.otherBytes);
    // A daemon that hangs must not keep the client waiting for ever.
    if (room) this.#uplink.expectActivity();
    return room;
  }

  /** Resolves when no request waits for an answer. */
  whenIdle(): Promise<void> {
    return this.#unanswered.whenIdle();
  }

  /** Answers every request that still waits: the client has closed stdin and may yet read. */
  failAll(): void {
    this.#unanswered.failAll();
  }

  /** Tells the daemon that the client has gone; resolves when it knows or `timeoutMs` has passed. */
  close(timeoutMs: number): Promise<void> {
    return this.#uplink.close(timeoutMs);
  }

  // What the dialer asks and tells.

  hello(): JsonObject {
    return this.#uplink.hello();
  }

  isDaemonNeeded(): boolean {
    return !this.#tried || this.#ledger.requestCount > 0;
  }

  /** Resolves when there is room for what a daemon would send. */
  async waitForCapacity(): Promise<void> {
    if (this.#client.queuedChars > this.#settings.maxQueuedBytes / 2) await this.#client.flushed();
  }

  onConnect(link: Link): void {
    this.#tried = true;
    this.#uplink.connected(link);
  }

  onDisconnect(end: SocketEnd): void {
    this.#uplink.disconnected(end);
  }

  onLinkError(fault: LinkError): void {
    this.#tried = true;
    this.#unanswered.handleLinkError(fault);
  }

  // From the client.

  #request(message: RpcRequest, line: Line): void {
    const { id, method } = message;
    if (this.#ledger.has(id)) return this.#client.refuse(null, refusals.idInUse(id));
    const entry: PendingRequest = { kind: "request", id, method, ...line, sent: false, sends: 0 };
    const { maxFrameBytes } = this.#uplink;
    if (line.bytes > maxFrameBytes) {
      return this.#client.refuse(id, refusals.tooLarge(line.bytes, maxFrameBytes));
    }
    const remembered = this.#uplink.isReady ? undefined : this.#memory.responseFor(entry);
    if (remembered !== undefined) return this.#client.sendText(remembered);
    const why = this.#outbox.overCapacity(line);
    if (why) return this.#client.refuse(id, why);
    this.#ledger.add(entry);
    this.#timers.awaitResponse(entry);
    if (this.#uplink.isReady) return this.#outbox.send(entry);
    this.#timers.awaitDaemon(entry);
    this.ondemand();
  }

  #notification(message: RpcNotification, line: Line): void {
    const { method, params } = message;
    if (method === "notifications/progress") return void this.#uplink.send(line.text);
    if (method === "notifications/initialized") this.#memory.client.initialized = true;
    if (method === "notifications/cancelled") {
      const cancelled = this.#ledger.take(params?.requestId as RequestId);
      this.#unanswered.checkIdle();
      // The daemon need not hear of a request it never had.
      if (cancelled && !cancelled.sent) return;
    }
    this.#outbox.notify(method, line);
  }

  #response(message: { id: RequestId }, line: Line): void {
    if (this.#questions.take(message.id)) return this.#outbox.respond(message.id, line);
    log.debug("the client answers {id}, which nobody asks any more", { id: message.id });
  }

  #received(messages: number): void {
    this.#ledger.acknowledge(messages);
    this.#heldUp.drainedTo(this.#ledger.otherBytes);
  }

  // From the daemon.

  #fromDaemon(text: string, frame: Peeked): void {
    switch (frame.kind) {
      case "response": {
        if (frame.id === null) break;
        if (frame.failed && this.#putOff(frame.id, text)) return;
        const request = this.#ledger.answer(frame.id);
        if (!request) return log.debug("the daemon answers {id}, which waits no more", { id: frame.id });
        this.#memory.noteResponse(request, { text, response: frame });
        break;
      }
      case "request":
        this.#questions.add(frame.id);
        break;
      case "notification":
        if (frame.message.method === "notifications/cancelled") {
          this.#questions.handleCancelled(frame.message.params);
        }
    }
    // One line is one message: a text that holds line breaks between its tokens is written anew.
    this.#client.sendText(/[\n\r]/.test(text) ? JSON.stringify(JSON.parse(text)) : text);
    this.#unanswered.checkIdle();
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

  // When the daemon comes and goes.

  async #introduce(): Promise<{ replayed: boolean }> {
    const { client: state } = this.#memory;
    for (const cancelled of this.#questions.cancelAll()) this.#client.send(cancelled);
    const replayed = state.initialize !== undefined;
    if (replayed) {
      await replayHandshake(state, {
        own: this.#uplink.requests,
        send: (text) => this.#uplink.send(text),
      });
    }
    return { replayed };
  }

  #meet(facts: { replayed: boolean }): void {
    this.#outbox.applyRecovery((entry) => afterRestart(entry, facts));
    if (!facts.replayed) return;
    refreshLists(this.#memory.lists, this.#uplink.requests).then(
      (names) => this.#tellChanged(names),
      () => {},
    );
  }

  #tellChanged(names: ReadonlySet<string>): void {
    for (const name of names) {
      const isWanted = this.#memory.client.mayNotify(name);
      if (isWanted) this.#client.send({ jsonrpc: "2.0", method: `notifications/${name}/list_changed` });
    }
  }

  #lost(end: SocketEnd): void {
    this.#unanswered.noteDisconnect(`${end.code} ${end.reason}`.trimEnd());
    this.#heldUp.resume();
    if (end.code === CLOSE.frameTooLarge) this.#unanswered.failLargest(this.#uplink.maxFrameBytes);
    for (const entry of this.#ledger.requests()) this.#timers.awaitDaemon(entry);
  }

  #giveUp(entry: PendingRequest): void {
    this.#unanswered.fail(entry, refusals.timedOut(entry.method, this.#settings.shimRpcTimeoutMs));
    if (!entry.sent || entry.method === "initialize") return;
    const method = "notifications/cancelled";
    const params = { requestId: entry.id, reason: "not answered in time" };
    this.#notification({ jsonrpc: "2.0", method, params }, notificationLine(method, params));
  }
}
