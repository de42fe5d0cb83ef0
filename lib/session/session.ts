import { ExaiError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import type { Caller } from "../call/call.ts";
import type { Implementation, LogLevel } from "../wire/mcp.ts";
import { ActiveCalls } from "./calls.ts";
import { Mailbox, type MailboxLimits } from "./mailbox.ts";

export interface SessionOptions {
  id: string;
  client?: Implementation;
  cwd?: string;
  /** The one mounted server this session sees; undefined for the merged catalog. */
  server?: string;
  /** Whether its client may come back after a cut connection. */
  resumable: boolean;
  mailbox: MailboxLimits;
  /** Largest message the client takes, in bytes. */
  maxFrameBytes: number;
}

/** Our record of one attached client. Nothing in it is shared with another session. */
export class Session implements Caller {
  readonly id: string;
  readonly resumable: boolean;
  /** What a client must show to take this session over; never logged. */
  readonly resumeToken: string = crypto.randomUUID();
  readonly startedAt = new Date();
  readonly server: string | undefined;
  readonly maxFrameBytes: number;
  readonly calls = new ActiveCalls();
  readonly mailbox: Mailbox;
  client: Implementation | undefined;
  cwd: string | undefined;
  revision: string | undefined;
  capabilities: JsonObject = {};
  logLevel: LogLevel | undefined;
  lastUsedAt: Date = this.startedAt;
  callCount = 0;
  bytesIn = 0;
  bytesOut = 0;
  readonly #ended = new AbortController();

  constructor(options: SessionOptions) {
    this.id = options.id;
    this.client = options.client;
    this.cwd = options.cwd;
    this.server = options.server;
    this.resumable = options.resumable;
    this.maxFrameBytes = options.maxFrameBytes;
    this.mailbox = new Mailbox(options.mailbox);
    this.mailbox.keepAnswers = options.resumable;
  }

  /** Aborted when the session is over for good. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** Whether a client is attached now. */
  get connected(): boolean {
    return this.mailbox.attached;
  }

  touch(): void {
    this.lastUsedAt = new Date();
  }

  /** Ends the session: its calls are aborted and nothing is kept for it. */
  end(why: string): void {
    if (this.#ended.signal.aborted) return;
    const reason = new ExaiError("CANCELLED", why);
    this.calls.cancelAll(reason);
    this.#ended.abort(reason);
    this.mailbox.clear();
  }
}
