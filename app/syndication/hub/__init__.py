"""The WebSub hub (W3C Recommendation of 23 January 2018) for our own feeds: who wants to be told of which one."""
