<?php
header('Content-Type: text/plain; charset=utf-8');
echo 'hello ', htmlspecialchars($_GET['name'] ?? 'world'), "\n";
