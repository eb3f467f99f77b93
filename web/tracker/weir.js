// The script that weir serves. build.mjs puts the body of start() (sdk/tracker/core.js) where its name stands: as a
// function it would cost forty bytes.
let script = document.currentScript, options = script.dataset, endpoint = options.endpoint || new URL('../w', script.src), before = (window.weir || 0).q || [];
START;
window.weir = track;
options.event && track(options.event);
before.map((call) => track(...call));
