/** One thing that is wrong with a resource: the same as in finding.py. */
record Finding(String severity, String place, String rule, String text) {
  static Finding error(String place, String rule, String text) {
    return new Finding("error", place, rule, text);
  }
}
