// The words of TestChatsUnderPaths.
"use strict";

function at(path) { return location.pathname === path; }
function linksTo(path) { return document.querySelector(`#room-list a[href="${path}"]`) !== null; }
function stores(key) { return localStorage.getItem(key) !== null; }
