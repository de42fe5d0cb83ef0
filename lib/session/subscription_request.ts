import { ExaiError } from "../base/errors.ts";
import { textOf } from "../base/json.ts";
import { toRpcError } from "../wire/codes.ts";
import type { RawRequest } from "../wire/raw_message.ts";
import type { Params } from "../wire/raw_object.ts";
import type { Result } from "../wire/rpc.ts";
import type { SubscriptionQuota } from "./subscription_quota.ts";

interface SubscriptionHooks {
  quota: SubscriptionQuota;
  /** Passes the request on. */
  call(): Promise<Result> | Result;
  /** Sends the client a notification that belongs to no call. */
  notify(method: string, params: Params): void;
}

/**
 * Runs `resources/subscribe` or `resources/unsubscribe` with the session's quota: only successful ones count. A client
 * whose subscription an earlier daemon had is told that the resource may have changed: nobody told it in between.
 */
export async function changeSubscription(
  { method, body }: RawRequest,
  { quota, call, notify }: SubscriptionHooks,
): Promise<Result> {
  const uri = textOf(body?.get("uri"));
  if (uri === undefined) {
    return { error: toRpcError(new ExaiError("INVALID_PARAMS", "uri must be a text")) };
  }
  const isSubscribe = method === "resources/subscribe";
  const isRestored = isSubscribe && quota.takeRestored();
  let isNew = false;
  try {
    isNew = isSubscribe && quota.add(uri);
  } catch (thrown) {
    return { error: toRpcError(thrown) };
  }
  const result = await call();
  if (isSubscribe ? isNew && result.error : !result.error) quota.remove(uri);
  if (isRestored && !result.error) notify("notifications/resources/updated", { uri });
  return result;
}
