import { BaseAnthropic } from "@anthropic-ai/sdk/client";
import { Stream } from "@anthropic-ai/sdk/core/streaming";
import { Messages } from "@anthropic-ai/sdk/resources/messages";
import { Models } from "@anthropic-ai/sdk/resources/models";
import { trimEndOf } from "../../base/text.ts";
import type { Exchange } from "../api/protocol.ts";

/** The longest possible timer: `GuardedFetch` has the time-outs. */
const NO_TIMEOUT_MS = 2 ** 31 - 1;

/**
 * The parts of the `@anthropic-ai/sdk` package that are used. This file, and not the package, is what is loaded late: of
 * the package a bundle would have all of its sixty resources, and the packages these use.
 */
export class AnthropicClient {
  readonly messages: Messages;
  readonly models: Models;

  constructor({ address: { baseUrl, apiKey }, guard }: Pick<Exchange, "address" | "guard">) {
    const client = new BaseAnthropic({
      baseURL: originOf(baseUrl),
      apiKey: apiKey || "none",
      fetch: guard.fetch,
      // Its retries do not spare requests that may have been billed.
      maxRetries: 0,
      timeout: NO_TIMEOUT_MS,
      // It logs to the console, and reads omitted options from the environment.
      logLevel: "off",
      openTelemetry: false,
      webhookKey: null,
    });
    this.messages = new Messages(client);
    this.models = new Models(client);
  }

  /**
   * The events of a stream. The stream of the package skips those without a name, which gateways send.
   *
   * @throws {SyntaxError} when one is no JSON
   */
  async *events(response: Response): AsyncGenerator<unknown> {
    for await (const { data } of Stream.rawEvents(response)) {
      if (data !== "" && data !== "[DONE]") yield JSON.parse(data);
    }
  }
}

/** The package appends `/v1/messages` itself, and addresses are often given with a part of that. */
function originOf(baseUrl: string): string {
  return trimEndOf(trimEndOf(baseUrl, "/").replace(/\/v1(\/messages)?$/, ""), "/");
}
