// TypeScript of an OpenAPI document: an interface of each named schema, and of each operation what it is sent and answers.
//
//   interface Operations { listKeys: { method: 'GET'; path: `/v1/orgs/${string}/…`; body: undefined; answer: … } … }
const BODY = { isAnswer: false }, ANSWER = { isAnswer: true };
const quoted = (name) => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name));
const union = (all) => [...new Set(all)].join(' | ') || 'never';
const within = (type) => (/[|&]/.test(type) ? `(${type})` : type);

function objectOf(schema, as) {
  const { properties, required, additionalProperties } = schema;
  if (!properties) return `Record<string, ${additionalProperties ? typeOf(additionalProperties, as) : 'unknown'}>`;
  // An answer has all members, unless it says which (src/api/api.h).
  const isNeeded = (name) => (required ? required.includes(name) : as.isAnswer);
  return `{ ${Object.entries(properties).map(([name, s]) => `${quoted(name)}${isNeeded(name) ? '' : '?'}: ${typeOf(s, as)}`).join('; ')} }`;
}
function oneOf(type, schema, as) {
  switch (type) {
    case 'array': return `${schema.items ? within(typeOf(schema.items, as)) : 'unknown'}[]`;
    case 'object': return objectOf(schema, as);
    case 'integer': case 'number': return 'number';
    case 'string': case 'boolean': case 'null': return type;
    default: throw new Error(`a type that is not known: ${JSON.stringify(schema)}`);
  }
}
export function typeOf(schema, as = ANSWER) {
  if (schema.$ref) return schema.$ref.split('/').pop();
  if ('const' in schema) return JSON.stringify(schema.const);
  if (schema.enum) return union(schema.enum.map((v) => JSON.stringify(v)));
  if (schema.allOf) return schema.allOf.map((s) => within(typeOf(s, as))).join(' & ');
  if (schema.oneOf ?? schema.anyOf) return union((schema.oneOf ?? schema.anyOf).map((s) => typeOf(s, as)));
  if (schema.type) return union([schema.type].flat().map((type) => oneOf(type, schema, as)));
  return schema.properties ? objectOf(schema, as) : 'unknown';
}
const json = (content) => content?.['application/json']?.schema;
function operation(pattern, method, op) {
  const to = pattern.replace(/\{[^}]*\}/g, '${string}'), [, good] = Object.entries(op.responses ?? {}).find(([status]) => /^2/.test(status)) ?? [], answer = json(good?.content), body = json(op.requestBody?.content);
  return `  ${quoted(op.operationId)}: { method: ${JSON.stringify(method.toUpperCase())}; path: \`${to}\` | \`${to}?\${string}\`; body: ${body ? typeOf(body, BODY) : /get|delete/.test(method) ? 'undefined' : 'unknown'}; answer: ${answer ? typeOf(answer) : 'unknown'} };`;
}
export function typesOf({ paths, components }) {
  const named = Object.entries(components.schemas).map(([name, s]) => `export type ${name} = ${typeOf(s)};`);
  const operations = Object.entries(paths).flatMap(([pattern, item]) => Object.entries(item).map(([method, op]) => operation(pattern, method, op)));
  return `// Made of openapi.json by tools/dashboard-types.mjs.\n${named.join('\n')}\nexport interface Operations {\n${operations.join('\n')}\n}\n`;
}
