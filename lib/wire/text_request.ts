import type { JsonObject } from "../base/json.ts";
import { messageLine } from "./message_text.ts";
import { rawMessage } from "./raw_message.ts";
import { type Params, RawObject } from "./raw_object.ts";
import { messageText, type RpcMessage, type RpcNotification, type RpcRequest } from "./rpc.ts";

/** A message whose params are sent as the text they came in. It can stand wherever the parsed one does. */
class TextNotification implements RpcNotification {
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
}

/** A request of the daemon with the params of another one. */
export class TextRequest extends TextNotification implements RpcRequest {
  readonly id: number;

  constructor(id: number, method: string, body: RawObject) {
    super(method, body);
    this.id = id;
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
  if (message instanceof TextRequest) {
    return messageLine({ id: message.id, method: message.method, params: message.body });
  }
  if (message instanceof TextNotification) {
    return messageLine({ method: message.method, params: message.body });
  }
  return rawMessage(message)?.text ?? messageText(message);
}
