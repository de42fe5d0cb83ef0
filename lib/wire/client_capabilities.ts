import { isObject, type Json, type JsonObject, ownEntry } from "../base/json.ts";

/** What a capability must be: an object with these members where it has them, an object of objects, or a boolean. */
type CapabilityShape = MemberShapes | "boolean";
type MemberShapes = { readonly [name: string]: CapabilityShape } | "objects";

const MODES = { sampling: { context: {}, tools: {} }, elicitation: { form: {}, url: {} } };
const BESIDE = { experimental: "objects", extensions: "objects" } as const;

/** The capabilities of clients that each era knows (MCP schema, ClientCapabilities). Others may be of any kind. */
const SHAPES: Readonly<Record<"legacy" | "modern", MemberShapes>> = {
  legacy: {
    ...MODES,
    ...BESIDE,
    roots: { listChanged: "boolean" },
    tasks: {
      list: {},
      cancel: {},
      requests: { sampling: { createMessage: {} }, elicitation: { create: {} } },
    },
  },
  modern: { ...MODES, ...BESIDE, roots: {} },
};

/**
 * The first member of a client's `capabilities` that is not as the schema of `era` has it, and what it must be:
 * `elicitation.form must be an object`. Undefined: there is none.
 */
export function malformedCapability(capabilities: JsonObject, era: keyof typeof SHAPES): string | undefined {
  return faultIn(capabilities, SHAPES[era], "");
}

function faultIn(value: Json | undefined, shape: CapabilityShape, path: string): string | undefined {
  if (shape === "boolean") return typeof value === "boolean" ? undefined : `${path} must be true or false`;
  if (!isObject(value)) return `${path} must be an object`;
  for (const [name, member] of Object.entries(value)) {
    const wanted = shapeOf(name, shape);
    const fault = wanted && faultIn(member, wanted, pathOf(name, path));
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function shapeOf(name: string, shape: MemberShapes): CapabilityShape | undefined {
  return shape === "objects" ? {} : ownEntry(shape, name);
}

function pathOf(name: string, path: string): string {
  const isPlain = /^\w{1,40}$/.test(name);
  if (path === "") return isPlain ? name : JSON.stringify(name);
  return isPlain ? `${path}.${name}` : `${path}[${JSON.stringify(name)}]`;
}

/**
 * `capabilities`, of a client that is served whatever it says, without what is malformed by the schema of the legacy
 * era: a server would refuse all of them for it. `true` inside a capability means that the client has that part.
 */
export function wellFormedCapabilities(capabilities: JsonObject): JsonObject {
  const isWell = malformedCapability(capabilities, "legacy") === undefined;
  return isWell ? capabilities : wellFormed(capabilities, SHAPES.legacy);
}

function wellFormed(value: JsonObject, shape: MemberShapes, isInside = false): JsonObject {
  const kept = Object.entries(value).flatMap(([name, given]): [string, Json | undefined][] => {
    const wanted = shapeOf(name, shape);
    if (wanted === undefined) return [[name, given]];
    if (wanted === "boolean") return typeof given === "boolean" ? [[name, given]] : [];
    if (isObject(given)) return [[name, wellFormed(given, wanted, true)]];
    return isInside && given === true ? [[name, {}]] : [];
  });
  return Object.fromEntries(kept);
}
