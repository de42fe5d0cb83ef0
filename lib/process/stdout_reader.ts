import { clip } from "../base/text.ts";
import { ExaiError } from "../base/errors.ts";
import { loggingErrors } from "../base/handler_errors.ts";
import { isObject } from "../base/json.ts";
import { forEachYielding } from "../base/event_loop.ts";
import { formatBytes, SECOND_MS } from "../base/units.ts";
import { findId, LineFramer, type OverlongLine } from "../transport/line_framer.ts";
import { toRpcError } from "../wire/codes.ts";
import { responseTo, type RpcMessage, type RpcResponse } from "../wire/rpc.ts";
import { readTooDeep, type TooDeep } from "../wire/too_deep.ts";
import { isTooDeep } from "../wire/shape.ts";
import { parseLenient } from "../wire/lenient.ts";
import { isAnswer, readServerMessage } from "../wire/server_message.ts";
import { MalformedResponses } from "./malformed_responses.ts";
import { ContentLengthHeaders, ONE_A_LINE } from "./content_length.ts";
import { MultilineMessage } from "./multiline_message.ts";

/** Lines of noise that are kept to be shown. */
const MAX_NOISE_KEPT = 5;
const MAX_NOISE_CHARS = 200;

/**
 * What some terminals and shells put around a line: the zero bytes and the mark of UTF-16, as PowerShell writes it, and
 * colours.
 */
// deno-lint-ignore no-control-regex
const NOT_TEXT = /\0|^[\uFFFD\uFEFF]+|\x1b\[[\d;]*[A-Za-z]/g;

const [OPENING, LIST, CLOSING] = ["{", "[", "}"].map((brace) => brace.charCodeAt(0));
/** How long the newline behind a message may take. */
const UNENDED_MS = SECOND_MS;

/** What stands for messages that are dealt with by their outermost members. */
const TAKEN = Symbol("taken");

interface StdoutReaderOptions {
  server: string;
  maxLineBytes: number;
  onmessage(message: RpcMessage): void;
  /** A request of the server cannot be taken. */
  onrefused(answer: RpcResponse): void;
  /** Something was wrong with a message. */
  onerror(error: ExaiError): void;
  /** A line was no message. */
  onnoise(line: string): void;
}

/** Turns what a process writes to stdout into messages. What is no message is counted and passed over. */
export class StdoutReader {
  /** Bytes read in all. */
  bytes = 0;
  messageCount = 0;
  noiseCount = 0;
  /** The first lines of noise, shortened. */
  readonly noise: string[] = [];
  readonly #options: StdoutReaderOptions;
  readonly #decoder = new TextDecoder();
  readonly #handOn: (message: RpcMessage) => void;
  readonly #framer: LineFramer;
  readonly #broken: MalformedResponses;
  readonly #split: MultilineMessage;
  readonly #headers = new ContentLengthHeaders();
  /** Whether messages have come behind headers. */
  #isFramed = false;
  /** Whether the next line is the body that was counted. */
  #isBody = false;
  /** The messages that stand on the line that is taken next. */
  #joined: string[] | undefined;
  /** Runs while what has come ends like a message, but without a newline. */
  #unended: ReturnType<typeof setTimeout> | undefined;
  #hasMended = false;

  constructor(options: StdoutReaderOptions) {
    this.#options = options;
    // What stands behind a message in the same chunk belongs to other calls.
    this.#handOn = loggingErrors("a line of a server", options.onmessage);
    this.#broken = new MalformedResponses(options.server, this.#handOn);
    this.#split = new MultilineMessage({
      maxChars: options.maxLineBytes,
      ongiveup: (text) => this.#passOver(text),
    });
    this.#framer = new LineFramer({
      maxLineBytes: options.maxLineBytes,
      online: (line) => this.#takeFirst(this.#decoder.decode(line)),
      onoverlong: (line) => this.#refuse(line),
    });
  }

  /** What it returns, if anything, is to be waited for before the next piece. */
  take(chunk: Uint8Array): Promise<void> | undefined {
    this.bytes += chunk.length;
    clearTimeout(this.#unended);
    const taking = this.#framer.take(chunk);
    if (taking) return taking.then(() => this.#awaitRest(chunk));
    return this.#awaitRest(chunk) ?? undefined;
  }

  /** What has come of a message that is not whole may be all there is of it. */
  #awaitRest(chunk: Uint8Array): Promise<void> | void {
    clearTimeout(this.#unended);
    if (this.#isBody) {
      const first = this.#framer.firstCounted;
      // A line that reads like a header may be one of a page, or of a log.
      if (first !== undefined && first !== OPENING && first !== LIST) return this.#takeNoBody();
      this.#unended = setTimeout(() => void this.#takeNoBody(), UNENDED_MS);
    } else if (chunk.at(-1) === CLOSING) {
      this.#unended = setTimeout(() => this.#takeUnended(), UNENDED_MS);
    }
  }

  #takeNoBody(): Promise<void> | undefined {
    this.#isBody = false;
    return this.#framer.uncount();
  }

  /** What kept its messages from being understood, where that is known. */
  get protocolIssue(): string | undefined {
    if (this.#isFramed) {
      return `it writes Content-Length headers as language servers do; ${ONE_A_LINE}, and read so`;
    }
    if (this.messageCount > 0 || this.noise.length === 0) return undefined;
    return `what it wrote to stdout is no message (${JSON.stringify(this.noise[0])}); ${ONE_A_LINE}`;
  }

  end(): void {
    clearTimeout(this.#unended);
    this.#framer.end();
    this.#split.giveUp();
    this.#broken.end();
  }

  /** A server that never ends its lines is heard all the same, if late. */
  #takeUnended(): void {
    const { pending } = this.#framer;
    const text = pending ? this.#decoder.decode(pending) : "";
    if (!/^\s*\{/.test(text) || isTooDeep(text)) return;
    // Several may stand there by now. Within a string no quote stands behind a brace and before a letter.
    const messages = text.split(/(?<=\})\s*(?=\{"\w)/);
    if (messages.some((message) => this.#parse(message) === undefined)) return;
    this.#joined = messages;
    this.#framer.end();
  }

  #takeFirst(line: string): Promise<void> | void {
    if (this.#joined) {
      const joined = this.#joined;
      this.#joined = undefined;
      return forEachYielding(joined, (message) => void this.#takeLine(message));
    }
    if (this.#isBody) {
      this.#isBody = false;
      return this.#takeBody(line);
    }
    // Of a server that writes lines, such a line is a log.
    if (this.messageCount > 0 && !this.#isFramed) return this.#takeLine(line);
    const found = this.#headers.take(line);
    if (typeof found === "number") {
      this.#isBody = true;
      this.#framer.count(found);
    }
    if (found !== undefined) return;
    const before = this.#headers.giveUp();
    if (before !== undefined) this.#note(before);
    return this.#takeLine(line);
  }

  #takeBody(text: string): Promise<void> | void {
    const value = this.#parse(text);
    if (value === undefined) return forEachYielding(text.split("\n"), (line) => void this.#takeLine(line));
    if (!this.#isFramed) {
      this.#isFramed = true;
      this.#options.onnoise(`(messages behind Content-Length headers are read, but ${ONE_A_LINE})`);
    }
    return this.#takeParsed(value, text);
  }

  #takeLine(line: string): Promise<void> | void {
    const value = this.#parse(line);
    if (this.#split.isOpen && value !== TAKEN && !(isObject(value) && value.jsonrpc !== undefined)) {
      return this.#putTogether(line);
    }
    this.#split.giveUp();
    if (value !== undefined) return this.#takeParsed(value, line);
    const bare = line.replace(NOT_TEXT, "");
    const cleaned = bare === line ? undefined : this.#parse(bare);
    if (cleaned !== undefined) return this.#takeParsed(cleaned, bare);
    return this.#putTogether(bare);
  }

  /** Undefined for what is no JSON; TAKEN for messages that may not be parsed. */
  #parse(line: string): unknown {
    const deep = readTooDeep(line, this.#options.server);
    if (deep) return this.#takeDeep(deep);
    try {
      const { isMended, value } = parseLenient(line);
      if (isMended) this.#noteMended();
      return value;
    } catch {
      return undefined;
    }
  }

  /** A line that is no message may be one of a message's many lines. */
  #putTogether(line: string): Promise<void> | void {
    const whole = this.#split.take(line);
    if (whole === undefined) return this.#passOver(line);
    if (whole === "taken") return;
    const value = this.#parse(whole.text);
    if (value === undefined) this.#passOver(whole.text);
    else return this.#takeParsed(value, whole.text);
  }

  #passOver(text: string): void {
    this.#note(text);
    this.#broken.take(text);
  }

  #takeDeep({ answers, refusals, error }: TooDeep): typeof TAKEN | undefined {
    if (error === undefined) return undefined;
    this.messageCount++;
    this.#options.onerror(error);
    for (const answer of answers) this.#handOn(answer);
    for (const refusal of refusals) this.#options.onrefused(refusal);
    return TAKEN;
  }

  #takeParsed(value: unknown, line: string): Promise<void> | void {
    if (value === TAKEN) return;
    // Revision 2025-03-26 allows batches.
    if (Array.isArray(value)) return forEachYielding(value, (item) => this.#takeValue(item, line));
    this.#takeValue(value, line);
  }

  #takeValue(value: unknown, line: string): void {
    // A logger that writes JSON to stdout speaks JSON, but no JSON-RPC.
    if (!isObject(value) || (value.jsonrpc === undefined && !isAnswer(value))) {
      this.#broken.takeOther(value);
      return this.#note(line);
    }
    const message = readServerMessage(value, this.#options.server);
    if (typeof message === "string") {
      const { server, onerror } = this.#options;
      return onerror(
        new ExaiError("INVALID_REQUEST", `server "${server}" sent a message that is none: ${message}`),
      );
    }
    this.messageCount++;
    if (!("method" in message)) this.#broken.answered(message.id);
    this.#handOn(message);
  }

  #noteMended(): void {
    if (this.#hasMended) return;
    this.#hasMended = true;
    this.#options.onnoise("NaN or Infinity in a message, which JSON does not have: read as null");
  }

  #note(line: string): void {
    const text = clip(line.trim(), MAX_NOISE_CHARS);
    if (text === "") return;
    this.noiseCount++;
    if (this.noise.length >= MAX_NOISE_KEPT) return;
    this.noise.push(text);
    this.#options.onnoise(text);
  }

  /** Whoever waits for a message that is too long is told so, instead of waiting on. */
  #refuse(line: OverlongLine): void {
    this.#isBody = false;
    const { server, maxLineBytes, onerror } = this.#options;
    const error = new ExaiError(
      "TOO_LARGE",
      `server "${server}" sent a message of ${formatBytes(line.bytes)}; at most ${
        formatBytes(maxLineBytes)
      } are taken; ` +
        "ask it for less",
      { details: { server } },
    );
    onerror(error);
    const id = /"method"\s*:/.test(line.head.slice(0, MAX_NOISE_CHARS)) ? null : findId(line);
    if (id !== null) this.#handOn(responseTo(id, { error: toRpcError(error) }));
  }
}
