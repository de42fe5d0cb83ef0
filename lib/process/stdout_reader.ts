import { clipRedacted } from "../base/text.ts";
import { ExaiError } from "../base/errors.ts";
import { loggingErrors } from "../base/handler_errors.ts";
import { isObject } from "../base/json.ts";
import { forEachYielding } from "../base/event_loop.ts";
import { formatBytes, SECOND_MS } from "../base/units.ts";
import { findId, LineFramer, type OverlongLine, withoutLineEnd } from "../transport/line_framer.ts";
import { toRpcError } from "../wire/codes.ts";
import { responseTo, type RpcMessage, type RpcResponse } from "../wire/rpc.ts";
import { readTooDeep, type TooDeep } from "../wire/too_deep.ts";
import { isTooDeep, SERVER_LIMITS } from "../wire/shape.ts";
import { parseLenient } from "../wire/lenient.ts";
import { rawMessage, readRawMessage } from "../wire/raw_message.ts";
import { readServerText } from "../wire/raw_reader.ts";
import { isAnswer } from "../wire/server_message.ts";
import { MalformedResponses } from "./malformed_responses.ts";
import { ContentLengthHeaders, ONE_A_LINE } from "./content_length.ts";
import { MultilineMessage } from "./multiline_message.ts";

/** Lines of noise that are kept to be shown. */
const MAX_NOISE_KEPT = 5;
const MAX_NOISE_CHARS = 200;

/**
 * What some terminals and shells put around a line: NUL bytes and byte order mark of UTF-16, as PowerShell writes it,
 * and colours.
 */
// deno-lint-ignore no-control-regex
const NOT_TEXT = /\0|^[\uFFFD\uFEFF]+|\x1b\[[\d;]*[A-Za-z]/g;

const [OPENING, LIST, CLOSING] = ["{", "[", "}"].map((brace) => brace.charCodeAt(0));
/** How long the newline after a message may take. */
const UNENDED_MS = SECOND_MS;

/** Marks messages that were handled by their outermost members. */
const HANDLED = Symbol("handled");

interface StdoutReaderOptions {
  server: string;
  maxLineBytes: number;
  onMessage(message: RpcMessage): void;
  /** Takes the error response to a request of the server that cannot be read. */
  onRefused(answer: RpcResponse): void;
  /** Called with what is wrong with a message. */
  onError(error: ExaiError): void;
  /** Called with a line that is not a message. */
  onNoise(line: string): void;
}

/** Turns a process's stdout into messages. Other lines are counted and skipped. */
export class StdoutReader {
  /** Bytes read so far. */
  bytes = 0;
  messageCount = 0;
  noiseCount = 0;
  /** The first lines of noise, cut. */
  readonly noise: string[] = [];
  readonly #options: StdoutReaderOptions;
  readonly #decoder = new TextDecoder();
  readonly #deliver: (message: RpcMessage) => void;
  readonly #framer: LineFramer;
  readonly #malformed: MalformedResponses;
  readonly #multiline: MultilineMessage;
  readonly #headers = new ContentLengthHeaders();
  /** Whether messages have Content-Length headers. */
  #isFramed = false;
  /** Whether the next line is a body of counted bytes. */
  #isBody = false;
  /** The messages on the line that is taken next. */
  #joined: string[] | undefined;
  /** Set while the input ends like a message, but without a newline. */
  #unended: ReturnType<typeof setTimeout> | undefined;
  #hasRepaired = false;

  constructor(options: StdoutReaderOptions) {
    this.#options = options;
    // Later messages in the chunk belong to other calls.
    this.#deliver = loggingErrors("a line of a server", options.onMessage);
    this.#malformed = new MalformedResponses(options.server, this.#deliver);
    this.#multiline = new MultilineMessage({
      maxChars: options.maxLineBytes,
      onGiveUp: (text) => this.#skip(text),
    });
    this.#framer = new LineFramer({
      maxLineBytes: options.maxLineBytes,
      onLine: (line) => {
        const text = this.#decoder.decode(withoutLineEnd(line));
        this.#framer.release();
        return this.#takeFirst(text);
      },
      onOverlong: (line) => this.#rejectOverlong(line),
    });
  }

  /** Takes one chunk. The next one waits for the promise, if there is one. */
  take(chunk: Uint8Array): Promise<void> | undefined {
    this.bytes += chunk.length;
    clearTimeout(this.#unended);
    const taking = this.#framer.take(chunk);
    if (taking) return taking.then(() => this.#awaitRest(chunk));
    return this.#awaitRest(chunk) ?? undefined;
  }

  /** Starts the timer after which an incomplete message is taken as it is. */
  #awaitRest(chunk: Uint8Array): Promise<void> | void {
    clearTimeout(this.#unended);
    if (this.#isBody) {
      const first = this.#framer.firstCounted;
      // A line that looks like a header may be part of a page or a log.
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

  /** What keeps its messages from being understood, if that is known. */
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
    this.#multiline.giveUp();
    this.#malformed.end();
  }

  /** Takes messages of a server that does not end its lines. */
  #takeUnended(): void {
    const { pending } = this.#framer;
    const text = pending ? this.#decoder.decode(pending) : "";
    if (!/^\s*\{/.test(text) || isTooDeep(text)) return;
    // Several may have arrived. Within a string no quote follows a brace and precedes a letter.
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
    // From a server that writes lines, a header is a log line.
    if (this.messageCount > 0 && !this.#isFramed) return this.#takeLine(line);
    const found = this.#headers.take(line);
    if (typeof found === "number") {
      this.#isBody = true;
      this.#framer.count(found);
    }
    if (found !== undefined) return;
    const before = this.#headers.giveUp();
    if (before !== undefined) this.#addNoise(before);
    return this.#takeLine(line);
  }

  #takeBody(text: string): Promise<void> | void {
    const value = this.#parse(text);
    if (value === undefined) return forEachYielding(text.split("\n"), (line) => void this.#takeLine(line));
    if (!this.#isFramed) {
      this.#isFramed = true;
      this.#options.onNoise(`(messages behind Content-Length headers are read, but ${ONE_A_LINE})`);
    }
    return this.#takeParsed(value, text);
  }

  #takeLine(line: string): Promise<void> | void {
    const value = this.#parse(line);
    if (this.#multiline.isOpen && value !== HANDLED && !(isObject(value) && value.jsonrpc !== undefined)) {
      return this.#takeMultiline(line);
    }
    this.#multiline.giveUp();
    if (value !== undefined) return this.#takeParsed(value, line);
    const bare = line.replace(NOT_TEXT, "");
    const cleaned = bare === line ? undefined : this.#parse(bare);
    if (cleaned !== undefined) return this.#takeParsed(cleaned, bare);
    return this.#takeMultiline(bare);
  }

  /** A raw message, or what was parsed; undefined for what is not JSON; HANDLED for messages that must not be parsed. */
  #parse(line: string): unknown {
    const raw = readRawMessage(line, SERVER_LIMITS);
    if (raw) return raw;
    const deep = readTooDeep(line, this.#options.server);
    if (deep) return this.#takeDeep(deep);
    try {
      const { isRepaired, value } = parseLenient(line);
      if (isRepaired) this.#noteRepaired();
      return value;
    } catch {
      return undefined;
    }
  }

  /** Takes a line that may be part of a message of several lines. */
  #takeMultiline(line: string): Promise<void> | void {
    const whole = this.#multiline.take(`${line}\n`);
    if (whole === undefined) return this.#skip(line);
    if (whole === "taken") return;
    const value = this.#parse(whole.text);
    if (value === undefined) this.#skip(whole.text);
    else return this.#takeParsed(value, whole.text);
  }

  #skip(text: string): void {
    this.#addNoise(text);
    this.#malformed.take(text);
  }

  #takeDeep({ answers, refusals, error }: TooDeep): typeof HANDLED | undefined {
    if (error === undefined) return undefined;
    this.messageCount++;
    this.#options.onError(error);
    for (const answer of answers) this.#deliver(answer);
    for (const refusal of refusals) this.#options.onRefused(refusal);
    return HANDLED;
  }

  #takeParsed(value: unknown, line: string): Promise<void> | void {
    if (value === HANDLED) return;
    // Revision 2025-03-26 has batches.
    if (Array.isArray(value)) return this.#takeBatch(line);
    this.#takeValue(value, line);
  }

  #takeBatch(line: string): Promise<void> | void {
    const reading = readServerText(line, this.#options);
    const texts = reading.kind === "batch" ? reading.texts : [];
    return forEachYielding(texts, (text) => this.#takeValue(this.#parse(text), text, line));
  }

  #takeValue(value: unknown, text: string, line = text): void {
    const raw = rawMessage(value);
    if (raw) return this.#takeMessage(raw);
    // A logger that writes JSON to stdout.
    if (!isObject(value) || (value.jsonrpc === undefined && !isAnswer(value))) {
      this.#malformed.takeOther(value);
      return this.#addNoise(line);
    }
    const reading = readServerText(text, this.#options);
    if (reading.kind === "message") return this.#takeMessage(reading.message);
    const { server, onError } = this.#options;
    const why = reading.kind === "invalid" ? reading.why : "it cannot be read";
    onError(new ExaiError("INVALID_REQUEST", `server "${server}" sent a message that is none: ${why}`));
  }

  #takeMessage(message: RpcMessage): void {
    this.messageCount++;
    if (!("method" in message)) this.#malformed.answered(message.id);
    this.#deliver(message);
  }

  #noteRepaired(): void {
    if (this.#hasRepaired) return;
    this.#hasRepaired = true;
    this.#options.onNoise("NaN or Infinity in a message, which JSON does not have: read as null");
  }

  #addNoise(line: string): void {
    const text = clipRedacted(line.trim(), MAX_NOISE_CHARS);
    if (text === "") return;
    this.noiseCount++;
    if (this.noise.length >= MAX_NOISE_KEPT) return;
    this.noise.push(text);
    this.#options.onNoise(text);
  }

  /** Reports a message that is too long; if it is an answer, its request fails at once. */
  #rejectOverlong(line: OverlongLine): void {
    this.#isBody = false;
    const { server, maxLineBytes, onError } = this.#options;
    const error = new ExaiError(
      "TOO_LARGE",
      `server "${server}" sent a message of ${formatBytes(line.bytes)}; at most ${
        formatBytes(maxLineBytes)
      } are taken; ` +
        "ask it for less",
      { details: { server } },
    );
    onError(error);
    const id = /"method"\s*:/.test(line.head.slice(0, MAX_NOISE_CHARS)) ? null : findId(line);
    if (id !== null) this.#deliver(responseTo(id, { error: toRpcError(error) }));
  }
}
