/**
 * One exchange as texts. In them `<id>` stands for the id of the request, `<token>` for its progress token, `<tool>` and
 * `<prompt>` for the name of what is called, and `<question>` for the id of a question of the server: these are others
 * on either side of the daemon. Everything else has to be the same on both, byte for byte.
 */
export interface Passed {
  what: string;
  request: string;
  /** What the client sends for `<id>` and `<token>`. */
  id?: string;
  token?: string;
  /** What the server says before it answers. */
  says?: readonly string[];
  /** What it asks for before it answers, under the id `as`, and what the client answers. */
  asks?: { as: string; question: string; answer: string };
  answer: string;
  /** Whether it is only passed on by a door to one server. */
  needsOwnDoor?: boolean;
}

const r = String.raw;

const CALL = r`{"jsonrpc":"2.0","id":<id>,"method":"tools/call","params":{"name":<tool>,"arguments":{}}}`;
const OK = r`{"jsonrpc":"2.0","id":<id>,"result":{"content":[]}}`;

const NUMBERS =
  r`{"one":1.0,"hundred":1E+2,"zero":-0,"minus":-0.0,"big":12345678901234567890,"past":9007199254740993,"tail":0.1000,"huge":1e400,"tiny":1e-400,"long":3.14159265358979323846264338327950288}`;
const ESCAPES =
  r`{"\u006b\/":"\u00e9\u20AC\ud83c\udf89 \/ \u0000\u001f \b\f\n\r\t \"\\","raw":"é€🎉","line\u2028":"\u2029"}`;
const LONE = r`{"high":"\ud800","low":"\uDC00x","turned":"\udc00\ud800","\ud800":"key"}`;
const DOUBLE = r`{"a":1,"a":{"b":2,"b":3},"__proto__":{"x":1},"2":"two","1":"one","constructor":null}`;
const EMPTY = r`{"a":{},"b":[],"c":"","d":[[],[{}]],"":null,"t":[true,false]}`;
const SPACED = '{ "a" :\t[ 1 ,  2 ,{ } ] , "b":\t"x"  }';
const DEEP = "[".repeat(90) + "1.0" + "]".repeat(90);

/** Values that mean the same in many forms, by what is odd in them. */
export const VALUES: Readonly<Record<string, string>> = {
  "numbers": NUMBERS,
  "escapes": ESCAPES,
  "lone surrogates": LONE,
  "keys twice, and in their order": DOUBLE,
  "empty values": EMPTY,
  "whitespace": SPACED,
  "nested lists": `{"deep":${DEEP}}`,
};

/** Each kind of value as arguments, and in all parts of a result. */
const OF_VALUES: Passed[] = Object.entries(VALUES).flatMap(([what, value]) => [
  {
    what: `${what} in arguments`,
    request: CALL.replace('"arguments":{}', `"arguments":${value}`),
    answer: OK,
  },
  {
    what: `${what} in a result`,
    request: CALL,
    answer: r`{"jsonrpc":"2.0","id":<id>,"result":{"content":[{"type":"text","text":"x","_meta":${value}},` +
      r`{"type":"hologram","data":${value}}],"structuredContent":${value},"isError":false,"_meta":${value}}}`,
  },
  {
    what: `${what} in an error`,
    request: CALL,
    answer: r`{"jsonrpc":"2.0","id":<id>,"error":{"code":-32042,"message":"no","data":${value}}}`,
  },
]);

const ENVELOPES: Passed[] = [
  {
    what: "members in another order",
    request:
      r`{"params":{"arguments":{"a":1},"name":<tool>},"method":"tools/call","id":<id>,"jsonrpc":"2.0"}`,
    answer: r`{"result":{"isError":true,"content":[]},"id":<id>,"jsonrpc":"2.0"}`,
  },
  {
    what: "whitespace between all tokens",
    request:
      '{\t"jsonrpc" : "2.0" , "id" :  <id>\t, "method":\t"tools/call" , "params" : { "name" : <tool> ,  "arguments" : { } } }',
    answer: '{ "jsonrpc" :\t"2.0" , "id" : <id> , "result" : { "content" : [ ] } }',
  },
  {
    what: "members that no specification knows",
    request:
      r`{"x":[1.0],"jsonrpc":"2.0","id":<id>,"method":"tools/call","trace":{"n":1e2},"params":{"name":<tool>,"arguments":{},"x-unknown":1.0},"":0}`,
    answer:
      r`{"x":[1.0],"jsonrpc":"2.0","id":<id>,"result":{"content":[],"x-unknown":1.0},"trace":{"id":1.0}}`,
  },
  {
    what: "members of the envelope deep inside",
    request:
      r`{"jsonrpc":"2.0","id":<id>,"method":"tools/call","params":{"name":<tool>,"arguments":{"id":1.0,"method":"x","params":{"name":"y"},"name":"z"}}}`,
    answer: r`{"jsonrpc":"2.0","id":<id>,"result":{"content":[],"id":1.0,"result":{"id":2},"error":null}}`,
  },
  {
    what: "names and keys of the envelope with escapes",
    request:
      r`{"\u006asonrpc":"2\u002e0","\u0069d":<id>,"m\u0065thod":"tools\/call","params":{"n\u0061me":<tool>,"arguments":{}}}`,
    answer: r`{"\u006asonrpc":"2\u002e0","\u0069d":<id>,"r\u0065sult":{"content":[]}}`,
  },
  {
    what: "no arguments",
    request: r`{"jsonrpc":"2.0","id":<id>,"method":"tools/call","params":{"name":<tool>}}`,
    answer: r`{"jsonrpc":"2.0","id":<id>,"result":{}}`,
  },
  {
    what: "an error with a code of another form",
    request: CALL,
    answer: r`{"jsonrpc":"2.0","id":<id>,"error":{"message":"no \u00e9","code":-3.2042e4,"x":1.0}}`,
  },
];

/** Ids of requests as clients write them. */
export const IDS = [
  "0",
  "-7",
  "1.0",
  "1e2",
  "9007199254740993",
  "123456789012345678901234567890",
  r`"a\u0062"`,
  r`"\ud800"`,
  '""',
  '"7"',
  '"__proto__"',
  '"é🎉"',
  `"${"x".repeat(1000)}"`,
];

const OF_IDS: Passed[] = IDS.flatMap((id) => [
  { what: `the id ${id.slice(0, 40)}`, id, request: CALL, answer: OK },
  {
    what: `the progress token ${id.slice(0, 40)}`,
    token: id,
    request:
      r`{"jsonrpc":"2.0","id":<id>,"method":"tools/call","params":{"_meta":{"x/trace":1.0,"progressToken":<token>},"name":<tool>,"arguments":{}}}`,
    says: [
      r`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":<token>,"progress":0.50,"total":1.0,"message":"h\u0061lf","_meta":{"n":1e2}}}`,
    ],
    answer: OK,
  },
  {
    what: `a question under the id ${id.slice(0, 40)}`,
    request: CALL,
    asks: {
      as: id,
      question:
        r`{"jsonrpc":"2.0","id":<question>,"method":"sampling/createMessage","params":{"messages":[{"role":"user","content":{"type":"text","text":"\u0068i"}}],"maxTokens":1e2,"temperature":1.0,"metadata":{"n":9007199254740993}}}`,
      answer:
        r`{"jsonrpc":"2.0","id":<question>,"result":{"role":"assistant","content":{"type":"text","text":"\u0068o"},"model":"m","x":1.0}}`,
    },
    answer: OK,
  },
]);

const METHODS: Passed[] = [
  {
    what: "a prompt",
    request:
      r`{"jsonrpc":"2.0","id":<id>,"method":"prompts/get","params":{"name":<prompt>,"arguments":{"a":"\u0061"},"x":1.0}}`,
    answer:
      r`{"jsonrpc":"2.0","id":<id>,"result":{"description":"\u00e9","messages":[{"role":"user","content":{"type":"text","text":"a"}}],"n":1.0}}`,
  },
  {
    what: "a resource",
    request:
      r`{"jsonrpc":"2.0","id":<id>,"method":"resources/read","params":{"x":1.0,"uri":"<server>://one%20two?a=b#c"}}`,
    answer:
      r`{"jsonrpc":"2.0","id":<id>,"result":{"contents":[{"uri":"<server>://one%20two?a=b#c","text":"\u00e9","_meta":{"n":1.0}}]}}`,
  },
  {
    what: "a completion",
    request:
      r`{"jsonrpc":"2.0","id":<id>,"method":"completion/complete","params":{"argument":{"value":"\u0061","name":"a"},"ref":{"x":1.0,"name":<prompt>,"type":"ref/prompt"},"context":{"arguments":{}}}}`,
    answer:
      r`{"jsonrpc":"2.0","id":<id>,"result":{"completion":{"values":["\u0061"],"total":1.0,"hasMore":false}}}`,
  },
  {
    what: "an elicitation",
    request: CALL,
    asks: {
      as: "1",
      question:
        r`{"jsonrpc":"2.0","id":<question>,"method":"elicitation/create","params":{"message":"\u00e9?","requestedSchema":{"type":"object","properties":{"n":{"type":"number","maximum":9007199254740993,"minimum":1.0}}}}}`,
      answer:
        r`{"id":<question>,"result":{"action":"accept","content":{"n":1.0,"big":9007199254740993}},"jsonrpc":"2.0"}`,
    },
    answer: OK,
  },
  {
    what: "a question that is refused",
    request: CALL,
    asks: {
      as: '"q"',
      question:
        r`{"jsonrpc":"2.0","id":<question>,"method":"elicitation/create","params":{"message":"?","requestedSchema":{"type":"object","properties":{}}}}`,
      answer: r`{"jsonrpc":"2.0","id":<question>,"error":{"code":-1,"message":"\u006eo","data":{"n":1.0}}}`,
    },
    answer: OK,
  },
  {
    what: "a log message",
    request: CALL,
    says: [
      r`{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"error","logger":"\u006c","data":${NUMBERS}},"x":1.0}`,
    ],
    answer: OK,
  },
  {
    what: "a notification that no specification knows",
    request: CALL,
    says: [r`{"params":{"a":${DOUBLE}},"jsonrpc":"2.0","method":"notifications\/x/unknown"}`],
    answer: OK,
  },
  {
    what: "a method that no specification knows",
    request: r`{"jsonrpc":"2.0","id":<id>,"method":"x/unknown","params":${NUMBERS}}`,
    answer: r`{"jsonrpc":"2.0","id":<id>,"result":{"x":${DOUBLE}}}`,
    needsOwnDoor: true,
  },
];

export const PASSED: readonly Passed[] = [...OF_VALUES, ...ENVELOPES, ...OF_IDS, ...METHODS];
