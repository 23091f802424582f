package polder;

import org.apache.iceberg.rest.RESTCompatibilityKitViewCatalogTests;

/** The kit's view tests as they are: a class of ours so that the launcher finds both alike. */
public class ViewKit extends RESTCompatibilityKitViewCatalogTests {}
