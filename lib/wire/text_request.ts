import type { JsonObject } from "../base/json.ts";
import { KIB } from "../base/units.ts";
import { messageLine, messageParts } from "./message_text.ts";
import { rawMessage } from "./raw_message.ts";
import { type Params, RawObject } from "./raw_object.ts";
import { messageText, type RpcMessage, type RpcNotification, type RpcRequest } from "./rpc.ts";

const LARGE_CHARS = 256 * KIB;

/** A message whose params are sent as the text they came in. It can stand wherever the parsed one does. */
export abstract class TextMessage {
  readonly jsonrpc = "2.0";
  readonly method: string;
  readonly body: RawObject;

  constructor(method: string, body: RawObject) {
    this.method = method;
    this.body = body;
  }

  /** Parsed when they are first asked for. */
  get params(): JsonObject {
    return this.body.value;
  }

  /** The whole message, on one line. */
  get text(): string {
    return messageLine({ id: this.idOf(), method: this.method, params: this.body });
  }

  /** The same in parts, where it is so large that putting them together would cost more than writing each. */
  get largeParts(): readonly string[] | undefined {
    if (this.body.length < LARGE_CHARS) return undefined;
    return messageParts({ id: this.idOf(), method: this.method, params: this.body });
  }

  protected idOf(): number | undefined {
    return undefined;
  }
}

class TextNotification extends TextMessage implements RpcNotification {}

/** A request of the daemon with the params of another one. */
export class TextRequest extends TextMessage implements RpcRequest {
  readonly id: number;

  constructor(id: number, method: string, body: RawObject) {
    super(method, body);
    this.id = id;
  }

  protected override idOf(): number {
    return this.id;
  }
}

/** A notification with `params` as they came. */
export function notificationOf(method: string, params: Params): RpcNotification {
  return params instanceof RawObject
    ? new TextNotification(method, params)
    : { jsonrpc: "2.0", method, params };
}

/** `message` as it is sent, on one line: the text it came in, or else its JSON. */
export function sentText(message: RpcMessage): string {
  return message instanceof TextMessage ? message.text : rawMessage(message)?.text ?? messageText(message);
}

/** A large `message` in parts, which one after another are its text; undefined for any other. */
export function largeParts(message: RpcMessage): readonly string[] | undefined {
  return message instanceof TextMessage ? message.largeParts : undefined;
}
