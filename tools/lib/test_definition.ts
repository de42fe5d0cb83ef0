type Body = Deno.TestDefinition["fn"];

/** What `Deno.test(...args)` defines, whichever way it was given: a name, options and a function, or some of them. */
export function definitionOf(args: readonly unknown[]): Deno.TestDefinition {
  const name = args.find((arg) => typeof arg === "string");
  const options = args.find((arg) => typeof arg === "object" && arg !== null) as Partial<Deno.TestDefinition>;
  const fn = (args.find((arg) => typeof arg === "function") ?? options.fn) as Body;
  return { ...options, name: name ?? options?.name ?? fn.name, fn };
}
