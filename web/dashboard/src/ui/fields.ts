// What can be broken down by, in words (docs/reports.md, "Fields").
export const FIELD_GROUPS: readonly (readonly [group: string, fields: readonly (readonly [field: string, text: string])[]])[] = [
  ['Sources', [['source', 'Source'], ['channel', 'Channel'], ['referrer', 'Referrer'], ['utm_source', 'UTM source'], ['utm_medium', 'UTM medium'], ['utm_campaign', 'UTM campaign'], ['utm_content', 'UTM content'], ['utm_term', 'UTM term']]],
  ['Pages', [['page', 'Page'], ['title', 'Title'], ['hostname', 'Host'], ['entry_page', 'Entry page'], ['exit_page', 'Exit page']]],
  ['Places', [['country', 'Country'], ['region', 'Region'], ['city', 'City'], ['locale', 'Language'], ['timezone', 'Time zone'], ['network', 'Network']]],
  ['Devices', [['browser', 'Browser'], ['browser_version', 'Browser version'], ['os', 'System'], ['os_version', 'System version'], ['device', 'Device'], ['device_brand', 'Brand'], ['screen_class', 'Screen']]],
  ['People', [['user', 'User']]],
];
const KNOWN = new Map(FIELD_GROUPS.flatMap(([, fields]) => fields));
const PREFIX = /^(property|person|group|group_trait):/;
/** Of a field's name, as somebody reads it; of a property its path. */
export const fieldText = (field: string): string => KNOWN.get(field) ?? field.replace(/^property:/, '').replace(/\\(.)/g, '$1');
export const isField = (field: string): boolean => KNOWN.has(field) || PREFIX.test(field);
/** What somebody wrote: a property, unless it says what else it is. */
export const fieldOf = (written: string): string => (PREFIX.test(written) ? written : `property:${written}`);

/** The field of a property of this name; a dot parts names, so one within a name is written "\.". */
export const propertyField = (name: string): string => `property:${name.replace(/[\\.]/g, '\\$&')}`;
/** Of properties within properties, which no list of names has. */
export function nestedFields(properties: Record<string, unknown> | null): string[] {
  return Object.entries(properties ?? {}).flatMap(([name, value]) => (value && typeof value === 'object' && !Array.isArray(value) ? Object.keys(value).map((inner) => `${propertyField(name)}.${propertyField(inner).slice('property:'.length)}`) : []));
}
