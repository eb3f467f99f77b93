import { report } from '../../sdk/tracker/vitals.js';

report((...call) => window.weir && weir(...call));
