/** The variables by which a user sends programs through a proxy, or past it. */
const PROXY_VARIABLE = /^(?:https?|all|no)_proxy$/i;

/** Whether any variable says something of proxies. */
export function namesProxies(): boolean {
  return Object.keys(Deno.env.toObject()).some((name) => PROXY_VARIABLE.test(name));
}

/**
 * What `make` gives, made as if no variable said anything of proxies. Deno reads them when an HTTP client is made and has
 * no other way to make one that ignores them; to a Unix socket it even connects as to a proxy, which `NO_PROXY` forbids.
 * They are set again before anything else can run, so that child processes get them.
 */
export function withoutProxies<T>(make: () => T): T {
  const hidden = Object.entries(Deno.env.toObject()).filter(([name]) => PROXY_VARIABLE.test(name));
  try {
    for (const [name] of hidden) Deno.env.delete(name);
    return make();
  } finally {
    for (const [name, value] of hidden) Deno.env.set(name, value);
  }
}
