import type { JsonObject } from "../../base/json.ts";
import type { ProviderRawRequest, ProviderRequest } from "../provider.ts";
import type { AnswerReader } from "./answer_reader.ts";
import type { GuardedFetch } from "./guarded_fetch.ts";
import type { ApiError, ProviderErrorInfo } from "./provider_errors.ts";

/** A key that expires. */
export interface AccessToken {
  /**
   * Returns a token that is valid now.
   *
   * @throws {ExaiError} the provider error `auth`
   */
  get(): Promise<string>;
}

/** The URL and key of a provider. */
export interface ProviderAddress {
  /** The URL up to, and without, the paths of the API. */
  baseUrl: string;
  /** Empty for servers that need none. */
  apiKey: string;
  /** Takes the place of the key. */
  token?: AccessToken;
  /** The `api-version` of Azure, whose paths then name the deployment. */
  apiVersion?: string;
}

/** What one request is sent with. */
export interface Exchange {
  address: ProviderAddress;
  /** Its `fetch` has the limits, and sends nothing but what the protocol needs. */
  guard: GuardedFetch;
  signal: AbortSignal;
}

/** An API that models are asked through, such as chat completions. */
export interface ApiProtocol {
  /** Headers it sends besides `accept`, `authorization` and `content-type`; all others are dropped. */
  readonly headers?: readonly string[];
  /** Fields of a body that are never left out, whatever the provider says of them. */
  readonly requiredFields?: readonly string[];
  /**
   * Builds the body of a request.
   *
   * @throws {ExaiError} `INVALID_PARAMS` for a part of the request that the provider does not take
   */
  toBody(request: ProviderRequest): JsonObject;
  /** Like {@linkcode toBody} with a raw request. Absent if the API has no such format. */
  toRawBody?(request: ProviderRawRequest): JsonObject;
  /** The text of a body, from which the usage is estimated if the provider reports none. */
  questionText(body: JsonObject): string;
  /** Sends `body` and returns the events of the answer. */
  open(body: JsonObject, exchange: Exchange): Promise<AsyncIterable<unknown>>;
  /** Creates the reader of one answer. */
  createReader(errorInfo: ProviderErrorInfo): AnswerReader;
  /** Converts an error response as its package throws it; undefined for any other error. */
  readError?(thrown: unknown): ApiError | undefined;
}
